"""Rows from anywhere, checked as made rows are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from callwright.data import conversations, write
from callwright.synth import generate, load_phrasebook, verify_file
from callwright.tools import load_tools
from callwright.types import Conversation, Message, ToolCall
from teacher_server import HOME

TOOLS = load_tools(str(HOME / "tools.py"))
BOOK = load_phrasebook(HOME / "phrases.yaml", TOOLS)


@pytest.fixture
def made(tmp_path: Path) -> list[Conversation]:
    rows = list(generate(TOOLS, BOOK, 60, seed=3))
    write(str(tmp_path / "made.jsonl"), rows)
    return rows


def test_what_was_made_passes_and_is_written_as_it_stands(made: list[Conversation], tmp_path: Path) -> None:
    found = verify_file(str(tmp_path / "made.jsonl"), book=BOOK, output=str(tmp_path / "good.jsonl"))
    assert (found.rows, found.kept, found.failed) == (60, 60, [])
    assert [row.messages for row in conversations(tmp_path / "good.jsonl")] == [row.messages for row in made]


def test_each_check_names_itself_and_the_place(made: list[Conversation], tmp_path: Path) -> None:
    def answered(text: str, *calls: ToolCall) -> Conversation:
        return Conversation("x", TOOLS, (Message("user", text), Message("assistant", "", calls)))

    wrong = [
        answered("a timer for 5 minutes", ToolCall("start_timer", {"minutes": 6})),
        answered("a timer for some minutes", ToolCall("start_timer", {"minutes": "some"})),
        answered("a timer for 7 minutes", ToolCall("start_clock", {"minutes": 7})),
        answered("a timer for 8 minutes"),
        replace(made[0], id="again"),
    ]
    path = tmp_path / "mixed.jsonl"
    write(str(path), [*made, *wrong])
    with path.open("a") as file:
        file.write("{broken\n")
    found = verify_file(str(path), book=BOOK, output=str(tmp_path / "good.jsonl"))
    checks = ("grounded", "schema", "schema", "format", "unique", "unreadable")
    failed = [(where.rpartition(":")[2], why.partition(":")[0]) for where, why in found.failed]
    assert failed == [(str(line), check) for line, check in enumerate(checks, 61)]
    assert "nobody said" in found.failed[0][1] and "no such tool" in found.failed[2][1]
    assert found.kept == 60 == len(list(conversations(tmp_path / "good.jsonl")))
