"""The rows of a recipe: read, mixed, left out, added; each accounted for, and the same every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callwright.data import conversations, write
from callwright.errors import DataError
from callwright.pipeline.rows import Rows, account_facts, held_out_rows, training_rows
from callwright.pipeline.run import check_inputs
from callwright.recipe import Eval, make_recipe


def tool(name: str) -> dict[str, Any]:
    schema = {"type": "string", "description": "Which one"}
    parameters = {"type": "object", "properties": {"room": schema}, "required": ["room"]}
    return {"name": name, "description": f"{name.replace('_', ' ').capitalize()}.", "parameters": parameters}


ROOMS = ["kitchen", "hall", "attic", "cellar", "study", "garage", "nursery", "pantry", "library", "porch"]


def call_row(number: int, name: str = "open_door") -> dict[str, Any]:
    room = ROOMS[number % len(ROOMS)]
    text = f"Number {number}: {name.replace('_', ' ')} in the {room} please"
    answer = {"role": "assistant", "content": "", "tool_calls": [{"name": name, "arguments": {"room": room}}]}
    tools = [tool(name), tool("water_flowers")]
    return {"id": f"{name}-{number}", "messages": [{"role": "user", "content": text}, answer], "tools": tools}


def chat_row(number: int) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"Tell me story {number}"}, {"role": "assistant", "content": "Once upon."}]
    return {"id": f"chat-{number}", "messages": turns, "tools": []}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    contents = {
        "doors": [call_row(n) for n in range(20)],
        "lamps": [call_row(n, "light_lamp") for n in range(6)],
        "chat": [chat_row(n) for n in range(10)],
        "test": [call_row(3), call_row(4)],
    }
    for name, rows in contents.items():
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def rows_of(**data: Any) -> Rows:
    return training_rows(make_recipe({"output": "out", "data": data}, "recipe"))


def written(made: Rows, path: Path) -> bytes:
    write(path, made.conversations)
    return path.read_bytes()


def test_one_file_gives_its_own_rows_in_order(files: Path) -> None:
    made = rows_of(train="doors.jsonl", rows=7)
    write(files / "expected.jsonl", conversations("doors.jsonl", limit=7))
    assert written(made, files / "made.jsonl") == (files / "expected.jsonl").read_bytes()
    assert made.account.as_json() == {
        "sources": {"doors.jsonl": {"read": 7, "used": 7, "kept": 7}},
        "added": {},
        "examples": [],
    }


def test_sources_are_mixed_by_weight_with_plain_chat_as_replay(files: Path) -> None:
    sources = [
        {"file": "doors.jsonl", "weight": 3},
        {"file": "lamps.jsonl", "cap": 2},
        {"file": "chat.jsonl", "rows": 4},
    ]
    made = rows_of(train=sources, rows=12, seed=5)
    used = {name: counts["used"] for name, counts in made.account.sources.items()}
    assert used == {"doors.jsonl": 8, "lamps.jsonl": 2, "chat.jsonl": 2}
    assert sorted({row.source for row in made.conversations}) == ["chat", "doors", "lamps"]
    assert sum(not row.tools for row in made.conversations) == 2
    ids = [row.id for row in made.conversations]
    assert ids == [row.id for row in rows_of(train=sources, rows=12, seed=5).conversations]
    assert ids != [row.id for row in rows_of(train=sources, rows=12, seed=6).conversations]
    everything = rows_of(train=["doors.jsonl", {"file": "lamps.jsonl", "cap": 2}])
    assert len(everything.conversations) == 22


def test_what_the_test_file_has_goes_and_is_named(files: Path) -> None:
    made = rows_of(train=["doors.jsonl", "lamps.jsonl"], exclude=["test.jsonl"])
    assert made.account.sources["doors.jsonl"] == {"read": 20, "used": 20, "excluded": 2, "kept": 18}
    assert not {"open_door-3", "open_door-4"} & {row.id for row in made.conversations}
    assert "shares the request" in made.account.examples[0] and "test.jsonl" in made.account.examples[0]
    by_tool = rows_of(train=["doors.jsonl", "chat.jsonl"], exclude=[{"file": "test.jsonl", "tools": True}])
    assert by_tool.account.sources["doors.jsonl"]["excluded"] == 20
    assert by_tool.account.sources["chat.jsonl"] == {"read": 10, "used": 10, "kept": 10}


def test_repetitions_go_and_are_named(files: Path) -> None:
    made = rows_of(train=["doors.jsonl", "test.jsonl"], dedupe=0.9)
    counts = made.account.sources
    assert counts["doors.jsonl"].get("repeated", 0) + counts["test.jsonl"].get("repeated", 0) == 2
    assert len(made.conversations) == 20 and "equal to open_door-" in made.account.examples[0]


def test_augmented_rows_are_added_and_counted(files: Path) -> None:
    augment = {"kinds": ["withhold", "drop_value"], "copies": 0.5, "seed": 1}
    plain = rows_of(train="doors.jsonl")
    made = rows_of(train="doors.jsonl", augment=augment)
    assert made.conversations[:20] == plain.conversations
    assert made.account.added == {"withhold": 5, "drop_value": 5} and len(made.conversations) == 30
    assert made.conversations == rows_of(train="doors.jsonl", augment=augment).conversations
    facts = account_facts(made.account.as_json())
    assert facts == {"from doors.jsonl": "20 read, 20 used, 20 kept", "augmented": "5 withhold, 5 drop_value"}


def test_bad_rows_are_counted_by_their_source(files: Path) -> None:
    with (files / "lamps.jsonl").open("a") as file:
        file.write('{"id": "broken"\n')
    made = rows_of(train=["doors.jsonl", "lamps.jsonl"], bad_rows="drop")
    assert made.account.sources["lamps.jsonl"]["unreadable"] == 1 and len(made.bad) == 1
    with pytest.raises(DataError, match=r"lamps\.jsonl:7"):
        rows_of(train=["doors.jsonl", "lamps.jsonl"])


def test_a_fixed_tool_set_is_counted_over_all_sources(files: Path) -> None:
    recipe = {"output": "out", "tools": {"most_frequent": 1}, "data": {"train": ["lamps.jsonl", "doors.jsonl"]}}
    made = training_rows(make_recipe(recipe, "recipe"))
    assert [t.name for t in made.tools] == ["open_door"]
    assert made.account.sources["lamps.jsonl"] == {"read": 6} and len(made.conversations) == 20


def test_requests_for_other_functions_are_refused_alike_in_training_and_scoring(files: Path) -> None:
    Path("both.jsonl").write_text(Path("lamps.jsonl").read_text() + Path("doors.jsonl").read_text())
    recipe = {"output": "out", "tools": {"most_frequent": 1, "others": 0.2}, "data": {"train": "both.jsonl"}}
    made = training_rows(make_recipe(recipe, "recipe"))
    refused = [row for row in made.conversations if not row.messages[-1].calls]
    assert len(made.conversations) == 24 and len(refused) == 4
    scored = held_out_rows(Eval(data="both.jsonl"), made.tools, others=0.2)
    assert sum(not row.messages[-1].calls for row in scored) == 4
    assert all(row.tools == made.tools for row in (*made.conversations, *scored))


def test_descriptions_are_left_out_of_rows_own_tools_alike_in_training_and_scoring(files: Path) -> None:
    recipe = {"output": "out", "tools": {"descriptions": "functions"}, "data": {"train": "doors.jsonl"}}
    trained = training_rows(make_recipe(recipe, "recipe")).conversations
    scored = held_out_rows(Eval(data="doors.jsonl"), (), plain=True)
    assert [row.tools for row in trained] == [row.tools for row in scored]
    assert all("description" not in str(t.parameters) and t.description for row in trained for t in row.tools)


def test_nothing_left_is_an_error(files: Path) -> None:
    with pytest.raises(DataError, match="no row is left"):
        rows_of(train="test.jsonl", exclude=["doors.jsonl"])


@pytest.mark.parametrize("key", ["train", "exclude"])
def test_files_must_be_there_before_a_folder_is_made(files: Path, key: str) -> None:
    data = {"train": ["doors.jsonl"], "exclude": ["bfcl:simple_python"]}
    check_inputs(make_recipe({"output": "out", "data": data}, "recipe"))
    data[key] = [*data[key], "nowhere.jsonl"]
    with pytest.raises(DataError, match=rf"nowhere\.jsonl: there is no such file \('data\.{key}'"):
        check_inputs(make_recipe({"output": "out", "data": data}, "recipe"))
