"""Intervals and p-values against hand-computed and textbook numbers, and their bounds."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.score.stats import (
    Interval,
    bootstrap,
    compare,
    compare_means,
    mcnemar,
    paired_bootstrap,
    paired_difference,
    rows_needed,
    rows_needed_apart,
    wilson,
)
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


def test_the_bootstrap_of_many_rows_is_the_normal_interval() -> None:
    values = list(np.random.default_rng(3).beta(2, 1, size=4000))
    found, half = bootstrap(values), 1.96 * np.std(values) / np.sqrt(len(values))
    assert found.low == pytest.approx(np.mean(values) - half, abs=half / 10)
    assert found.high == pytest.approx(np.mean(values) + half, abs=half / 10)
    narrow = bootstrap(values, level=0.5)
    z = NormalDist().inv_cdf(0.75)
    assert narrow.high - narrow.low == pytest.approx(2 * z / 1.96 * half, rel=0.1)


def test_the_bootstrap_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = list(np.random.default_rng(4).beta(1, 3, size=60))
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=9999).confidence_interval
    ours = bootstrap(values, resamples=9999)
    assert (ours.low, ours.high) == (pytest.approx(theirs.low, abs=0.01), pytest.approx(theirs.high, abs=0.01))


def test_mcnemar_is_scipys_binomial_test() -> None:
    stats = pytest.importorskip("scipy.stats")
    for b, c in ((0, 5), (3, 11), (40, 61)):
        assert mcnemar(b, c) == pytest.approx(stats.binomtest(b, b + c, 0.5).pvalue)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(0, 5))
def test_the_bootstrap_stays_within_the_values_and_is_drawn_with_its_seed(values: list[float], seed: int) -> None:
    found = bootstrap(values, resamples=200, seed=seed)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    assert bootstrap(values, resamples=200, seed=seed) == found


def test_the_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    random, hits = np.random.default_rng(5), 0
    for _ in range(300):
        found = bootstrap(list(random.beta(2, 2, size=80)), resamples=400)
        hits += found.low <= 0.5 <= found.high
    # 95% of 300, less three standard errors
    assert hits >= 300 * 0.95 - 3 * np.sqrt(300 * 0.95 * 0.05)


def test_the_bootstrap_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        bootstrap([])


def test_pairs_make_the_interval_of_a_difference_narrow() -> None:
    random = np.random.default_rng(6)
    hard = random.uniform(0, 0.9, size=200)
    base, tuned = list(hard), list(hard + random.uniform(0, 0.1, size=200))
    paired = paired_bootstrap(base, tuned)
    apart = (bootstrap(tuned).high - bootstrap(tuned).low) + (bootstrap(base).high - bootstrap(base).low)
    assert 0.03 < paired.low < paired.high < 0.07
    assert (paired.high - paired.low) < apart / 10
    with pytest.raises(ValueError):
        paired_bootstrap(base, tuned[1:])


def test_means_are_compared_on_rows_that_both_runs_judged() -> None:
    def of(values: dict[str, float | None]) -> Report:
        return Report("run", {row: (Verdict("argument_accuracy", value),) for row, value in values.items()})

    found = compare_means(of({"a": 0.5, "b": 0.25, "c": 1.0}), of({"a": 1.0, "b": 0.75, "c": None, "d": 0.0}))
    assert (found.rows, found.difference, found.interval) == (2, 0.5, Interval(0.5, 0.5))
    assert compare_means(of({"a": None}), of({"a": 1.0})).rows == 0


def test_so_many_rows_find_the_difference_so_often() -> None:
    random, both, only_base, only_tuned = np.random.default_rng(7), 0.6, 0.05, 0.15
    n = rows_needed(0.1, 0.65, discordant=0.2)
    assert n == 155
    drawn = random.multinomial(n, [both, only_base, only_tuned, 1 - both - only_base - only_tuned], size=2000)
    found = np.mean([mcnemar(int(b), int(c)) < 0.05 for _, b, c, _ in drawn])
    # the exact test is a little less powerful than the normal one that the formula is of
    assert 0.74 < found < 0.84


def test_rows_of_runs_apart_are_fleisss() -> None:
    # (1.959964 sqrt(2 * 0.15 * 0.85) + 0.841621 sqrt(0.09 + 0.16))^2 / 0.01 = 198.97
    assert [rows_needed_apart(0.1, p) for p in (0.1, 0.5)] == [199, 388]
    assert rows_needed_apart(-0.1, 0.6) == rows_needed_apart(0.1, 0.5)
    assert rows_needed_apart(0.1, 0.5, power=0.9) > rows_needed_apart(0.1, 0.5)


@given(st.floats(0.02, 0.3), st.floats(0.05, 0.6))
def test_more_rows_are_needed_for_less(difference: float, base: float) -> None:
    assert rows_needed(difference / 2, base) > rows_needed(difference, base)
    assert rows_needed(difference, base, discordant=difference) <= rows_needed(difference, base)
    assert rows_needed(difference, base, alpha=0.01) > rows_needed(difference, base)


@pytest.mark.parametrize(
    ("difference", "base", "more"),
    [(0.0, 0.5, {}), (0.6, 0.5, {}), (0.1, 1.2, {}), (0.2, 0.5, {"discordant": 0.1}), (0.1, 0.5, {"power": 1.0})],
)
def test_impossible_questions_are_refused(difference: float, base: float, more: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="rows_needed"):
        rows_needed(difference, base, **more)
