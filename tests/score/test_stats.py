"""Intervals and p-values against hand-computed and textbook numbers, and their bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.score.stats import Interval, compare, mcnemar, paired_difference, wilson
from callwright.types import Report, Verdict


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_wilson_contains_the_point_and_stays_in_the_unit_interval(n: int, share: float) -> None:
    successes = min(share * n, n)
    interval = wilson(successes, n)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_wilson_mirrors(n: int, k: int) -> None:
    k = min(k, n)
    left, right = wilson(k, n), wilson(n - k, n)
    assert left.low == pytest.approx(1 - right.high, abs=1e-12)


@given(st.integers(1, 1000), st.floats(0, 1))
def test_wilson_narrows_with_n(n: int, share: float) -> None:
    small, large = wilson(share * n, n), wilson(share * 4 * n, 4 * n)
    assert large.high - large.low < small.high - small.low


def test_wilson_known_values() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for k, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        interval = wilson(k, n)
        assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


def test_wilson_of_nothing_says_nothing() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3), (0, -1), (1, 0), (float("nan"), 3)])
def test_wilson_refuses_impossible_counts(successes: float, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson(successes, n)


def test_mcnemar_known_values() -> None:
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(2, 8) == pytest.approx(2 * (1 + 10 + 45) / 1024)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_symmetric_and_a_probability(b: int, c: int) -> None:
    assert mcnemar(b, c) == mcnemar(c, b)
    assert 0 < mcnemar(b, c) <= 1


def test_mcnemar_takes_more_rows_than_a_float_has_room_for() -> None:
    assert mcnemar(2000, 2000) == 1.0
    assert 0 < mcnemar(1000, 1200) < 0.001


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="negative"):
        mcnemar(-1, 2)


def report(values: dict[str, float | None]) -> Report:
    return Report("run", {row: (Verdict("exact_match", value),) for row, value in values.items()})


def test_compare_uses_only_rows_that_both_runs_judged() -> None:
    base = report({"a": 1.0, "b": 0.0, "c": 0.0, "d": 1.0, "only base": 1.0, "e": None})
    tuned = report({"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.0, "only tuned": 1.0, "e": 1.0})
    outcome = compare(base, tuned)
    assert (outcome.rows, outcome.only_base, outcome.only_tuned) == (4, 1, 2)
    assert outcome.p_value == mcnemar(1, 2) == 1.0
    assert outcome.difference == 0.25
    assert outcome.interval == paired_difference(1, 1, 2, 0)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    # Newcombe 1998, method 10
    [
        ((36, 2, 12, 0), 0.0569, 0.3404),
        ((54, 0, 0, 0), -0.0664, 0.0664),
    ],
)
def test_paired_difference_is_newcombes(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    found = paired_difference(*counts)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(*[st.integers(0, 200)] * 4)
def test_paired_difference_holds_its_middle_and_turns_with_the_runs(a: int, b: int, c: int, d: int) -> None:
    found, turned = paired_difference(a, b, c, d), paired_difference(a, c, b, d)
    assert -1 <= found.low <= (c - b) / max(1, a + b + c + d) + 1e-12
    assert (c - b) / max(1, a + b + c + d) - 1e-12 <= found.high <= 1
    assert (found.low, found.high) == (pytest.approx(-turned.high), pytest.approx(-turned.low))


def test_paired_difference_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        paired_difference(1, -1, 2, 3)
    assert paired_difference(0, 0, 0, 0) == Interval(-1.0, 1.0)
