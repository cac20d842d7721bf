"""Every kind of problem is found, named with its place, and mended where that is safe."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import strategies
from hypothesis import given, settings

from callwright.data import conversations
from callwright.data.lint import KINDS, Linter, LintReport, fix
from callwright.dialects.chat import Chat
from callwright.dialects.hermes import hermes
from callwright.dialects.tokenise import render
from callwright.errors import DataError
from callwright.pipeline.check import Checker
from callwright.types import BadRow, Conversation, Message, Tool, ToolCall

TOOL = Tool(
    "set_light",
    "Set a light.",
    {
        "type": "object",
        "properties": {
            "room": {"type": "string"},
            "level": {"type": "integer"},
            "scenes": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["room"],
        "additionalProperties": False,
    },
)
USER, DONE = Message("user", "light on"), Message("assistant", "Done.")


def call(**arguments: Any) -> Message:
    return Message("assistant", "", (ToolCall("set_light", arguments, "c1"),))


def row(*messages: Message, tools: tuple[Tool, ...] = (TOOL,), **more: Any) -> Conversation:
    return Conversation("1", tools, messages, where="f.jsonl:7", **more)


BROKEN = Tool("b", "", {"type": "object", "properties": {"a": {"type": "integer", "minimum": 5, "maximum": 1}}})
RESULT = Message("tool", "ok", call_id="c1")
CASES: dict[str, tuple[Conversation, str]] = {
    "undeclared tool": (
        row(USER, Message("assistant", "", (ToolCall("set_ligth", {}),))),
        "tool 'set_ligth' is not declared; did you mean 'set_light'?",
    ),
    "wrong arguments": (row(USER, call(room="hall", level="ten")), "level"),
    "double-encoded": (row(USER, call(room="hall", scenes='["a"]')), "'scenes' is JSON inside a string"),
    "null argument": (row(USER, call(room="hall", level=None)), "'level' is null"),
    "none-filled schema": (row(USER, DONE, notes=("tool 'x' was filled with None",)), "filled with None"),
    "bad schema": (row(USER, DONE, tools=(BROKEN,)), "tool 'b'"),
    "duplicate tool": (row(USER, DONE, tools=(TOOL, TOOL)), "declared 2 times"),
    "unpaired result": (row(USER, RESULT, DONE), "turn 2 is a result without a call"),
    "unanswered call": (row(USER, call(room="hall"), USER, DONE), "turn 3 follows 1 calls"),
    "empty turn": (row(USER, Message("assistant", " ")), "turn 2 (assistant) is empty"),
    "no assistant turn": (row(USER), "nothing could be trained"),
    "trailing turn": (row(USER, DONE, USER), "role 'user'"),
    "role order": (row(USER, USER, DONE), "turns 1 and 2 are both the user's"),
    "outer whitespace": (row(USER, Message("assistant", "Done.\n")), "turn 2"),
    "control token": (row(Message("user", "a<|im_end|>b"), DONE), "turn 1 holds '<|im_end|>'"),
}


@pytest.mark.parametrize("kind", CASES)
def test_kind(kind: str) -> None:
    given_row, why = CASES[kind]
    problems = Linter().check(given_row)
    found = {problem.kind: problem for problem in problems}
    assert kind in found, problems
    assert why in found[kind].why
    assert found[kind].where == "f.jsonl:7"
    if KINDS[kind].fixable:
        assert kind not in {problem.kind for problem in Linter().check(fix(given_row))}


def test_a_result_of_another_call() -> None:
    other = replace(RESULT, call_id="c9")
    (problem,) = Linter().check(row(USER, call(room="hall"), other, DONE))
    assert (problem.kind, "c9" in problem.why) == ("unpaired result", True)


def test_a_good_dialogue_has_no_problems() -> None:
    messages = (Message("system", "s"), USER, call(room="hall"), RESULT, DONE, USER, call(room="den", level=3))
    assert Linter().check(row(*messages)) == []


def test_duplicate_ids_are_found_over_rows() -> None:
    linter = Linter()
    assert linter.check(row(USER, DONE)) == []
    assert [problem.kind for problem in linter.check(row(USER, DONE))] == ["duplicate id"]


def test_a_required_null_is_not_left_out() -> None:
    broken = row(USER, call(room=None))
    assert fix(broken) == broken
    assert [problem.kind for problem in Linter().check(broken)] == ["wrong arguments"]


def test_a_string_that_looks_like_json_stays_where_a_string_is_due() -> None:
    fine = row(USER, call(room='["hall"]'))
    assert fix(fine) == fine
    assert Linter().check(fine) == []


@settings(max_examples=100, deadline=None)
@given(strategies.dialogues())
def test_fix_is_idempotent_and_never_adds_problems(given_row: Conversation) -> None:
    mended = fix(given_row)
    assert fix(mended) == mended
    before = {problem.kind for problem in Linter().check(given_row)}
    assert {problem.kind for problem in Linter().check(mended)} <= before


def test_arrow_filler_is_mended_by_the_reader_and_reported(tmp_path: Path) -> None:
    filled = {"name": "f", "description": "d", "parameters": {"a": {"type": "string"}, "b": None, "c": None}}
    content = {"id": "1", "query": "q", "tools": [filled], "answers": [{"name": "f", "arguments": {"a": "x"}}]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(content) + "\n")
    (read_back,) = conversations(tmp_path / "rows.jsonl")
    assert list(read_back.tools[0].parameters["properties"]) == ["a"]
    assert "none-filled schema" in {problem.kind for problem in Linter().check(read_back)}


def test_the_report_counts_everything_and_keeps_the_first() -> None:
    report, linter = LintReport(keep=2), Linter()
    for _ in range(5):
        report.add(linter.check(row(USER)))
    as_json = report.to_json()
    assert (as_json["rows"], as_json["rows_with_errors"], as_json["errors"]) == (5, 5, 5)
    assert as_json["problems"]["no assistant turn"]["count"] == 5
    assert len(as_json["problems"]["no assistant turn"]["first"]) == 2


def check(rows: list[Conversation | BadRow], tokenizer: Any, longest: int | None = None) -> dict[str, int]:
    checker = Checker(hermes(), tokenizer, longest)
    for _ in checker.check(rows):
        pass
    return dict(checker.report.counts)


def test_what_only_rendering_shows(tokenizer: Any) -> None:
    opening = row(USER, Message("assistant", "I write <tool_call> in prose"))
    assert check([opening], tokenizer) == {"lost in rendering": 1}
    assert check([row(USER, DONE)], tokenizer, longest=10) == {"too long": 1}
    assert check([BadRow("f.jsonl:3", "not JSON")], tokenizer) == {"unreadable row": 1}


def test_half_a_surrogate_pair_is_a_finding_and_no_crash(tokenizer: Any, tmp_path: Path) -> None:
    assert check([row(Message("user", "\ud800"), DONE), row(USER, DONE)], tokenizer) == {
        "broken text": 1,
        "duplicate id": 1,
    }
    with pytest.raises(DataError, match="row 1: the text holds half of a surrogate pair"):
        render(row(Message("user", "\ud800"), DONE), hermes(), tokenizer)


def test_a_dialect_that_trains_the_prompt_is_caught(tokenizer: Any) -> None:
    class Wrong(Chat):
        def segments(self, conversation: Conversation) -> Any:
            return [replace(segment, weight=1.0) for segment in super().segments(conversation)]

    checker = Checker(Wrong(hermes().family, hermes().words, "hermes"), tokenizer)
    for _ in checker.check([row(USER, DONE)]):
        pass
    assert "wrong mask" in checker.report.counts
