"""Rows that are right in some runs and not in others are counted."""

from __future__ import annotations

import pytest

from callwright.score.run import RowScore, score_row
from callwright.score.sampling import flakiness
from callwright.score.stats import wilson
from callwright.types import Conversation, Message, Reply, ToolCall

NOW = ToolCall("now", {})


def run(*right: bool) -> list[RowScore]:
    answer = Message("assistant", "", (NOW,))
    rows = [Conversation(f"r{i}", (), (Message("user", "time?"), answer)) for i in range(len(right))]
    return [score_row(row, Reply("", (NOW,) if yes else ()), "") for row, yes in zip(rows, right, strict=True)]


def test_flaky_rows_are_those_whose_verdict_changes() -> None:
    found = flakiness([run(True, False, True, False), run(True, False, False, True), run(True, False, False, True)])
    interval = wilson(2, 4)
    assert found == {
        "n": 4,
        "value": 0.5,
        "low": interval.low,
        "high": interval.high,
        "runs": 3,
        "always": 1,
        "never": 1,
        "sometimes": 2,
        "by_run": [0.5, 0.5, 0.5],
        "mean": 0.5,
        "ids": ["r2", "r3"],
    }


def test_the_flakiest_rows_stand_first() -> None:
    runs = [run(True, False), run(False, True), run(False, True), run(False, False)]
    assert flakiness(runs)["ids"] == ["r1", "r0"]


def test_one_run_or_runs_of_other_rows_are_refused() -> None:
    for runs in ([run(True)], [run(True), run(True, False)]):
        with pytest.raises(ValueError, match="at least two runs of the same rows"):
            flakiness(runs)


def test_no_rows_are_no_share() -> None:
    assert flakiness([[], []])["value"] is None
