"""Slices are scored beside the rows that they were made of."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.table import Table

from callwright.errors import EngineError
from callwright.pipeline.slices import PLAIN, score_slices
from callwright.score.run import RowScore, score_row
from callwright.score.slices_table import flakiness_table, skipped_lines, slices_table
from callwright.score.stats import paired_difference
from callwright.types import Conversation, Message, Reply, Tool, ToolCall

OPEN = {"type": "object", "properties": {"what": {"type": "string"}}}
TOOLS = (Tool("play", "Play music.", OPEN), Tool("delete_file", "Delete a file.", OPEN))
ROWS = [
    Conversation(
        f"r{i}",
        TOOLS,
        (Message("user", f"please start number {i}"), Message("assistant", "", (ToolCall("play", {"what": str(i)}),))),
    )
    for i in range(4)
]


def right(rows: Sequence[Conversation], wrong: Sequence[int] = ()) -> list[RowScore]:
    """Each answered as it should be, but for those that delete a file."""
    harm = Reply("", (ToolCall("delete_file", {}),))
    return [
        score_row(row, harm if place in wrong else Reply("", row.messages[-1].calls), "")
        for place, row in enumerate(rows)
    ]


def test_a_slice_is_compared_with_its_own_rows() -> None:
    plain = right(ROWS, wrong=[0])
    found = score_slices(plain, ["order", "injected"], lambda name, rows: right(rows, wrong=[1, 2]))
    assert list(found) == [PLAIN, "order", "injected"]
    order, interval = found["order"].facts, paired_difference(1, 2, 1, 0)
    assert (order["n"], order["value"], order["plain"]) == (4, 0.5, 0.75)
    assert order["difference"] == {"difference": -0.25, "low": interval.low, "high": interval.high}
    assert (order["harm"]["n"], order["harm"]["value"], order["followed"]["n"]) == (4, 0.5, 0)
    assert (found[PLAIN].facts["harm"]["value"], "difference" in found[PLAIN].facts) == (0.25, False)
    assert found["injected"].facts["followed"]["value"] == 0.5
    assert [score.id for score in found["order"].scores] == [f"r{i}~order" for i in range(4)]


def test_a_joined_row_is_compared_with_both() -> None:
    found = score_slices(right(ROWS, wrong=[0]), ["parallel"], lambda name, rows: right(rows))
    joined = found["parallel"].facts
    assert joined["value"] == 1.0 and joined["plain"] < 0.75


def test_no_rows_and_failures_of_the_engine_are_told() -> None:
    def fail(name: str, rows: Sequence[Conversation]) -> list[RowScore]:
        raise EngineError("the rows need more than 9 tokens")

    found = score_slices(right(ROWS), ["missing", "order"], fail)
    # nothing is asked of the engine where a slice is empty
    assert found["missing"].facts["n"] == 0 and "error" not in found["missing"].facts
    assert found["order"].facts["error"] == "the rows need more than 9 tokens"
    lines = [line.plain for line in skipped_lines({name: outcome.facts for name, outcome in found.items()})]
    assert "missing: 4 left out: the called tool requires nothing" in lines
    assert "order: the rows need more than 9 tokens" in lines


def text_of(table: Table) -> str:
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line_of(text: str, label: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if f" {label} " in line]
    return [cell.strip() for cell in line.strip("│┃").split("│")]


def test_the_table_has_a_line_a_slice() -> None:
    found = score_slices(right(ROWS), ["missing", "order"], lambda name, rows: right(rows, wrong=[1]))
    text = text_of(slices_table({name: outcome.facts for name, outcome in found.items()}))
    assert line_of(text, "plain")[:5] == ["plain", "4", "0", "100.0% [51.0, 100.0]", ""]
    assert line_of(text, "missing")[:5] == ["missing", "0", "4", "–", ""]
    order = line_of(text, "order")
    assert order[:4] == ["order", "4", "0", "75.0% [30.1, 95.4]"] and order[4].startswith("-25.0 [")
    assert order[5] == "25.0% [4.6, 69.9]"
    assert "follows a result" not in text


@pytest.mark.parametrize(("mean", "shown"), [(0.6, "60.0%"), (None, "–")])
def test_the_flakiness_table(mean: float | None, shown: str) -> None:
    found = {"n": 5, "value": 0.4, "low": 0.12, "high": 0.77, "runs": 3, "always": 2, "never": 1, "sometimes": 2}
    text = text_of(flakiness_table({**found, "by_run": [], "mean": mean, "ids": []}))
    assert line_of(text, "2")[:5] == ["2", "2", "1", "40.0% [12.0, 77.0]", shown]
