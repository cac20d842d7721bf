"""What a teacher wrote: read however it is wrapped, and refused for whatever is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.synth.answers import Candidate, Rejected, candidates
from callwright.synth.endpoint import Endpoint
from callwright.synth.execute import Result
from callwright.synth.journal import Question
from callwright.synth.judge import judge_question, opinion
from callwright.synth.prompts import Style, assignments, category_of
from callwright.synth.vet import Assignment, Run, Vetting
from callwright.types import Conversation, Message, Tool, ToolCall
from teacher_server import TOOLS

LIGHT = {"name": "set_light", "arguments": {"room": "kitchen", "state": "off"}}
VOLUME = {"name": "set_volume", "arguments": {"level": 30}}
ROWS = [{"request": "kitchen light off", "calls": [LIGHT]}, {"request": "volume at 30", "calls": [VOLUME]}]
TEACHER = Endpoint("http://localhost/v1", "m", cap=1)


def read(text: str) -> list[Any]:
    return [f.raw if isinstance(f, Candidate) else f.kind for f in candidates(text, "single", "k")]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        f"```json\n{json.dumps(ROWS, indent=1)}\n```",
        f"```\n{json.dumps(ROWS)}",
        f"Sure, [2] rows as {{asked}}:\n```JSON\n{json.dumps(ROWS)}\n```\nEnjoy [them]!",
        "\n".join(map(json.dumps, ROWS)),
        json.dumps({"rows": ROWS}),
        f"<think>[1, 2] and {{so on</think>{json.dumps(ROWS)}",
        f"{json.dumps(ROWS)}\n\nI hope this helps.",
    ],
)
def test_however_it_is_wrapped(text: str) -> None:
    assert read(text) == ROWS


def test_of_an_answer_that_breaks_off_the_whole_rows_are_read() -> None:
    text = json.dumps([*ROWS, ROWS[0]])
    for cut in range(text.rindex("{"), len(text)):
        assert [row for row in read(text[:cut]) if isinstance(row, dict)][:2] == ROWS
    broken = f'[{{"request": "a" "calls"}}, {json.dumps(ROWS[1])}]'
    assert read(broken) == ["broken JSON", ROWS[1]]


@pytest.mark.parametrize(
    "text", ["", "no", "[" * 200_000, "{" * 100_000, "[NaN]", '{"a": 1e999}', "[1" + "0" * 9000 + "]"]
)
def test_what_is_no_json_is_rejected(text: str) -> None:
    assert set(read(text)) == {"broken JSON"}


KEYS = ["request", "turns", "calls", "name", "arguments", "user", "missing", "results", "answer"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(json_values), st.sampled_from(["single", "parallel", "no_call", "missing", "multi_turn"]), st.text())
def test_nothing_that_a_teacher_writes_raises(values: list[Any], category: str, noise: str) -> None:
    for text in (json.dumps(values), noise, noise + json.dumps(values)[:-3]):
        for found in candidates(text, category, "k"):
            row = found if isinstance(found, Rejected) else vet(found.raw, category)
            assert isinstance(row, Rejected)
            assert row.why


def vet(raw: Any, category: str = "single", run: Run | None = None) -> Conversation | Rejected:
    question = Question("m", (("user", "Please write down a great many requests for these tools of a home"),), 1.0, 9)
    return Vetting(Assignment(category, TOOLS, question), run).check(Candidate(raw, category, question.key), "row")


def kind(raw: Any, category: str = "single", run: Run | None = None) -> str:
    made = vet(raw, category, run)
    return made.kind if isinstance(made, Rejected) else ""


def said(request: str, *calls: Any, **more: Any) -> dict[str, Any]:
    return {"request": request, "calls": list(calls), **more}


@pytest.mark.parametrize(
    ("raw", "category", "wanted"),
    [
        (ROWS[0], "single", ""),
        (said("kitchen light off", {"function": {**LIGHT, "arguments": json.dumps(LIGHT["arguments"])}}), "single", ""),
        (said("kitchen light off, volume at 30", LIGHT, VOLUME), "parallel", ""),
        (said("kitchen light off", LIGHT), "parallel", "category"),
        (said("kitchen light off, volume at 30", LIGHT, VOLUME), "single", "category"),
        (said("hello there", answer="Hello! How can I help?"), "no_call", ""),
        (said("hello there", answer=" "), "no_call", "empty answer"),
        (said("hello there", answer="..."), "no_call", "empty answer"),
        (said("hello there", answer=None), "no_call", "empty answer"),
        (said("kitchen light off", LIGHT), "no_call", "category"),
        (said("   ", LIGHT), "single", "form"),
        (said("kitchen light off", "set_light"), "single", "form"),
        (said("kitchen light off", {**LIGHT, "arguments": "off"}), "single", "form"),
        (said("kitchen light off", {**LIGHT, "name": "set_lights"}), "single", "wrong tool"),
        (said("kitchen light off", {**LIGHT, "arguments": {"room": "kitchen"}}), "single", "schema"),
        (said("kitchen light", {**LIGHT, "arguments": LIGHT["arguments"] | {"hue": 3}}), "single", "schema"),
        (said("make it quiet", VOLUME), "single", "ungrounded"),
        (said("{request} volume 30", VOLUME), "single", "prompt echo"),
        (said("volume 30 in <room>", VOLUME), "single", "prompt echo"),
        (said("set_volume to 30", VOLUME), "single", "prompt echo"),
        (said("write down a great many requests for these tools, volume 30", VOLUME), "single", "prompt echo"),
        (said("volume 30<|im_end|>", VOLUME), "single", "lint"),
        (said("volume 30 \ud800", VOLUME), "single", "lint"),
    ],
)
def test_one_turn(raw: Any, category: str, wanted: str) -> None:
    assert kind(raw, category) == wanted


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, ""),
        ({"answer": "I need a room."}, "category"),
        ({"answer": ""}, "empty answer"),
        ({"missing": None}, "form"),
        ({"missing": {"tool": "set_lamp", "parameter": "room"}}, "wrong tool"),
        ({"missing": {"tool": "get_weather", "parameter": "day"}}, "schema"),
        ({"missing": {"tool": ["x"], "parameter": {"x": 1}}}, "wrong tool"),
        ({"missing": {"tool": "set_light", "parameter": {"x": 1}}}, "schema"),
        ({"request": "Light off in the living room"}, "not missing"),
    ],
)
def test_a_missing_value(changes: dict[str, Any], wanted: str) -> None:
    raw = {"request": "light off", "calls": [], "answer": "Which room?"}
    assert kind(raw | {"missing": {"tool": "set_light", "parameter": "room"}} | changes, "missing") == wanted


DIALOGUE = [
    {"user": "light off"},
    {"assistant": "Which room?"},
    {"user": "the kitchen"},
    {"calls": [LIGHT], "results": ["light in the kitchen: off"]},
    {"assistant": "It is off."},
    {"user": "and volume at 30"},
    {"calls": [VOLUME], "results": [{"volume": 30, "limit": 45}]},
    {"assistant": "The volume is 30, of at most 45."},
]


def turns(place: int, turn: Any) -> dict[str, Any]:
    changed = list(DIALOGUE)
    changed[place : place + 1] = turn if isinstance(turn, list) else [turn]
    return {"turns": changed}


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ({"turns": DIALOGUE}, ""),
        ({"turns": DIALOGUE[:-1]}, ""),
        ({"turns": DIALOGUE[:-2]}, "form"),
        ({"turns": DIALOGUE[2:4]}, "category"),
        ({"turns": DIALOGUE[:3] + [{"assistant": "Done."}]}, "category"),
        ({"turns": []}, "form"),
        (turns(1, {"assistant": ""}), "form"),
        (turns(1, []), "form"),
        (turns(3, {"calls": [LIGHT]}), "form"),
        (turns(3, {"calls": [LIGHT], "results": []}), "form"),
        (turns(4, []), "form"),
        (turns(2, {"user": "the usual one"}), "ungrounded"),
        (turns(7, {"assistant": "The volume is 31."}), "unsupported answer"),
    ],
)
def test_a_dialogue(raw: Any, wanted: str) -> None:
    assert kind(raw, "multi_turn") == wanted


def test_a_dialogue_ties_results_to_calls() -> None:
    row = vet({"turns": DIALOGUE}, "multi_turn")
    assert isinstance(row, Conversation)
    calls = [call.id for message in row.messages for call in message.calls]
    results = [message.call_id for message in row.messages if message.role == "tool"]
    assert calls == results
    assert "" not in calls


def test_real_results_take_the_place_of_invented_ones() -> None:
    def run(call: ToolCall) -> Result:
        return Result({"did": call.name, "limit": 45}) if call.name != "lock_door" else Result(error="jammed")

    row = vet({"turns": DIALOGUE}, "multi_turn", run)
    assert isinstance(row, Conversation)
    assert [json.loads(m.text)["did"] for m in row.messages if m.role == "tool"] == ["set_light", "set_volume"]
    assert "executed" in row.provenance["checks"]
    assert kind(turns(7, {"assistant": "The volume is 30, of at most 60."}), "multi_turn", run) == "unsupported answer"
    lock = {"name": "lock_door", "arguments": {"door": "front", "action": "lock"}}
    assert kind(said("lock the front door", lock)) == ""
    assert kind(said("lock the front door", lock), run=run) == "execution"
    assert "executed" not in vet(said("hi", answer="Hello!"), "no_call", run).provenance["checks"]  # type: ignore[union-attr]


def test_questions_cover_the_tools_and_show_fitting_examples() -> None:
    many = [Tool(f"tool_{n}", f"Does the thing {n}.", {"type": "object", "properties": {}}) for n in range(40)]
    seed_row = Conversation("s", (), (Message("user", "do 7"), Message("assistant", "", (ToolCall("tool_7", {}),))))
    made = assignments(many, [seed_row], {"single": 100, "no_call": 7}, TEACHER, Style(1))
    assert [each.category for each in made] == ["single"] * 20 + ["no_call"] * 2
    assert {tool.name for each in made for tool in each.tools} == {tool.name for tool in many}
    assert all(len(each.tools) == 16 for each in made)
    assert len({each.question.key for each in made}) == len(made)
    for each in made:
        prompt = each.question.messages[1][1]
        assert all((f'"{tool.name}"' in prompt) == (tool in each.tools) for tool in many)
        shows = each.category == "single" and many[7] in each.tools
        assert ('{"request": "do 7"' in prompt) == shows
    assert "Write 2 different" in made[-1].question.messages[1][1]
    assert made == assignments(many, [seed_row], {"single": 100, "no_call": 7}, TEACHER, Style(1))
    assert made[:19] == assignments(many, [seed_row], {"single": 99}, TEACHER, Style(1))[:19]
    assert made != assignments(many, [seed_row], {"single": 100, "no_call": 7}, TEACHER, Style(2))


def test_the_category_of_a_seed_row() -> None:
    user, again = Message("user", "a"), Message("user", "b")
    call = ToolCall("f", {})
    for messages, wanted in [
        ((user, Message("assistant", "", (call,))), "single"),
        ((user, Message("assistant", "", (call, call))), "parallel"),
        ((user, Message("assistant", "Which one?")), "missing"),
        ((user, Message("assistant", "Hello!")), "no_call"),
        ((user, Message("assistant", "Which one?"), again, Message("assistant", "", (call,))), "multi_turn"),
    ]:
        assert category_of(Conversation("r", (), messages)) == wanted


def test_what_a_judge_sees_and_says() -> None:
    row = vet({"turns": DIALOGUE}, "multi_turn")
    assert isinstance(row, Conversation)
    prompt = judge_question(row, TEACHER).messages[1][1]
    assert all(
        text in prompt for text in ("Which room?", '"room": "kitchen"', "light in the kitchen: off", '"set_light"')
    )
    assert opinion('```json\n{"right": true}\n```').right is True
    assert opinion('{"right": true} no, wait: {"right": false, "why": "x"}').right is False
    assert opinion('{"right": "yes"}').right is None
    assert opinion("").right is None
