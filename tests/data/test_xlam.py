"""xLAM-60k rows: columns of JSON strings, and the Python dicts that guides print for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callwright.data import conversations, read, xlam
from callwright.data.fields import Fields
from callwright.errors import DataError
from callwright.tools.jsonfile import tool_from_json
from callwright.types import BadRow, Conversation, Message, ToolCall

TOOLS = [
    {
        "name": "live_giveaways",
        "description": "Retrieve giveaways.",
        "parameters": {
            "type": {"description": "The kind.", "type": "str", "default": "game"},
            "limit": {"description": "How many.", "type": "int, optional"},
        },
    }
]
ANSWERS = [{"name": "live_giveaways", "arguments": {"type": "beta", "limit": None, "flag": True}}]
ROW: dict[str, Any] = {"id": 7, "query": "Any betas?", "tools": json.dumps(TOOLS), "answers": json.dumps(ANSWERS)}
CALLS = (ToolCall("live_giveaways", {"type": "beta", "limit": None, "flag": True}),)


def read_one(row: dict[str, Any], *, lenient: bool = False) -> Conversation:
    return xlam.from_row(row, "x:1", Fields(lenient=lenient))


@pytest.mark.parametrize("write", [json.dumps, str, lambda value: value, lambda value: json.dumps(value, indent=4)])
def test_columns_as_json_as_python_and_as_lists(write: Any) -> None:
    found = read_one({**ROW, "tools": write(TOOLS), "answers": write(ANSWERS)})
    assert found.id == "7"
    assert found.tools == (tool_from_json(TOOLS[0], "test"),)
    assert found.tools[0].parameters["properties"]["limit"]["type"] == "integer"
    assert found.messages == (Message("user", "Any betas?"), Message("assistant", "", CALLS))


def test_empty_answers_are_a_turn_with_nothing() -> None:
    assert read_one({**ROW, "answers": "[]"}).messages[1] == Message("assistant", "")


def test_one_answer_may_stand_alone() -> None:
    assert read_one({**ROW, "answers": json.dumps(ANSWERS[0])}).messages[1].calls == CALLS


def test_arguments_may_be_a_string() -> None:
    answers = [{**ANSWERS[0], "arguments": json.dumps(ANSWERS[0]["arguments"])}]
    assert read_one({**ROW, "answers": json.dumps(answers)}).messages[1].calls == CALLS


def test_a_column_encoded_twice_is_refused_unless_lenient() -> None:
    row = {**ROW, "answers": json.dumps(json.dumps(ANSWERS))}
    with pytest.raises(DataError, match="'answers': encoded as JSON twice"):
        read_one(row)
    assert read_one(row, lenient=True).messages[1].calls == CALLS


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tools": '[{"name": "f", oops}]'}, "'tools' is not JSON: Expecting property name .* at character 16"),
        ({"answers": '[{"name": "f"'}, "'answers' is not JSON: .* at character 14"),
        ({"answers": "[{'name': open('x')}]"}, "'answers' is not JSON"),
        ({"answers": "[{'name': {1, 2}}]"}, "'answers' is not JSON"),
        ({"answers": "(" * 5000}, "'answers' is not JSON"),
        ({"answers": None}, "the column 'answers' is missing"),
        ({"answers": "3"}, "'answers' is a number; it must be a list of calls"),
        ({"answers": "[3]"}, r"answers\[0\] is a number"),
        ({"answers": '[{"arguments": {}}]'}, r"answers\[0\] has no name"),
        ({"answers": '[{"name": "f", "arguments": [1]}]'}, r"answers\[0\].arguments is a list"),
        ({"query": ["x"]}, "'query' is a list"),
    ],
)
def test_a_broken_column_is_a_bad_row_that_names_it(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f"{json.dumps(ROW)}\n{json.dumps({**ROW, **change})}\n{json.dumps(ROW)}\n")
    first, bad, last = read(path)
    assert isinstance(first, Conversation) and isinstance(last, Conversation)
    assert isinstance(bad, BadRow) and bad.where == f"{path}:2"
    with pytest.raises(DataError, match=why):
        read_one({**ROW, **change})


def test_what_is_written_is_read_back() -> None:
    found = read_one(ROW)
    row = xlam.to_row(found)
    assert row["id"] == 7 and row["query"] == "Any betas?"
    assert json.loads(row["answers"]) == ANSWERS
    assert read_one(row) == found


def test_an_id_that_only_looks_like_a_number_stays_a_text() -> None:
    for own_id in ("007", "x-1", "", "²"):
        assert xlam.to_row(Conversation(own_id, (), (Message("user", ""), Message("assistant", ""))))["id"] == own_id


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        ((Message("system", "s"), Message("user", "q"), Message("assistant", "", CALLS)), "system text"),
        ((Message("user", "q"), Message("assistant", "text", CALLS)), "an answer in text beside calls"),
        ((Message("user", "q"), Message("assistant", "text")), "an answer in text"),
        ((Message("user", "q"), Message("assistant", "", CALLS), Message("tool", "1")), "user, assistant, tool"),
        ((Message("user", "q"),), "only one user, one assistant"),
        ((), r"\(none\)"),
        ((Message("user", "q"), Message("assistant", "", CALLS, train=False)), "'train' marks"),
    ],
)
def test_what_xlam_cannot_hold_is_refused(messages: tuple[Message, ...], what: str) -> None:
    with pytest.raises(DataError, match=f"f:3: xlam cannot hold .*{what}"):
        xlam.to_row(Conversation("a", (), messages, where="f:3"))


def test_the_file_is_recognised_and_streamed_by_line(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([ROW, {**ROW, "id": 8}], indent=1))
    assert [(row.id, row.where) for row in conversations(path)] == [("7", f"{path}:2"), ("8", f"{path}:8")]
