"""Probabilities after calibration: true, in order, and kept on disk."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from callwright.errors import DataError
from callwright.generate.confidence import Sureness
from callwright.score.calibration import calibrate, expected_error, left_out, load_calibration, reliability


def overconfident(count: int, seed: int) -> list[list[tuple[Sureness, bool]]]:
    """Calls whose plain probability falls more slowly than the share that is right."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        name, arguments = -rng.expovariate(8), -rng.expovariate(3)
        sure = Sureness(name, arguments, min(name, arguments))
        made.append([(sure, rng.random() < 1 / (1 + math.exp(-4 - 10 * sure.total)))])
    return made


def test_calibrated_probabilities_are_true_on_rows_left_out() -> None:
    fitted = calibrate(overconfident(1500, 0))
    held = [call for row in overconfident(1500, 1) for call in row]
    right = [good for _, good in held]
    before = expected_error([math.exp(sure.total) for sure, _ in held], right)
    after = expected_error([fitted.probability(sure) for sure, _ in held], right)
    assert before > 0.1
    assert after < 0.05


def test_what_is_run_is_right_as_often_as_was_asked() -> None:
    fitted = calibrate(overconfident(3000, 2), precision=0.9)
    held = [call for row in overconfident(3000, 3) for call in row]
    run = [good for sure, good in held if fitted.decide(fitted.probability(sure)) == "act"]
    assert len(run) > 100
    assert sum(run) / len(run) >= 0.88
    assert {fitted.decide(fitted.probability(sure)) for sure, _ in held} == {"act", "confirm", "refuse"}


def test_what_is_measured_was_not_fitted() -> None:
    """Where nothing can be told from the probabilities, nothing is promised."""
    rng = random.Random(6)
    rows = [[(Sureness(-rng.random(), -rng.random(), -rng.random()), rng.random() < 0.5)] for _ in range(400)]
    chances, run, right = left_out(rows, 0.95)
    assert expected_error(chances, right) < 0.1
    assert sum(run) < 20
    assert [good for row in rows for _, good in row] == right
    held, seen = overconfident(2000, 7), overconfident(2000, 8)
    fitted = calibrate(seen, 0.9)
    by_others, run, right = left_out(held, 0.9)
    assert sum(good for good, ran in zip(right, run, strict=True) if ran) / sum(run) >= 0.88
    assert all(abs(fitted.probability(row[0][0]) - chance) < 0.1 for row, chance in zip(held, by_others, strict=True))


def test_too_few_calls_promise_nothing() -> None:
    """Eighteen right ones say little about one in twenty."""
    good, bad = Sureness(-0.01, -0.01, -0.01), Sureness(-3.0, -3.0, -3.0)
    assert calibrate([[(good, True)]] * 18 + [[(bad, False)]] * 30).act == 1.0
    assert calibrate([[(good, True)]] * 20 + [[(bad, False)]] * 30).act < 1.0


def test_surer_is_likelier() -> None:
    fitted = calibrate(overconfident(800, 4))
    chances = [fitted.probability(Sureness(-step / 10, -step / 5, -step / 5)) for step in range(20)]
    assert chances == sorted(chances, reverse=True)


def test_one_kind_of_call_tells_nothing() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        calibrate([[(Sureness(-0.1, -0.1, -0.1), True)]] * 9)


def test_the_error_of_known_bins() -> None:
    chances, right = [0.2] * 10 + [0.8] * 10, [True] * 2 + [False] * 8 + [True] * 6 + [False] * 4
    assert reliability(chances, right, 2) == [(pytest.approx(0.2), 0.2, 10), (pytest.approx(0.8), 0.6, 10)]
    assert expected_error(chances, right, 2) == pytest.approx(0.1)


def test_kept_and_read_again(tmp_path: Path) -> None:
    fitted = calibrate(overconfident(300, 5))
    fitted.save(tmp_path / "calibration.json")
    assert load_calibration(tmp_path / "calibration.json") == fitted
    (tmp_path / "other.json").write_text('{"act": "x"}')
    with pytest.raises(DataError, match="not a calibration"):
        load_calibration(tmp_path / "other.json")
