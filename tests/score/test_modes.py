"""Every failure mode has a row that produces it; no failed row is without one; counts and confusions add up."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.data.preferences import from_failures
from callwright.score.calls import match_calls
from callwright.score.failures import write_report
from callwright.score.modes import MODES, confusion, count_modes
from callwright.score.run import RowScore, build_report, failures_of, score_row
from callwright.score.values import VALUE_MODES, value_mode
from callwright.types import BrokenCall, Conversation, Ending, JsonObject, Message, Reply, Tool, ToolCall

ALARM = Tool(
    "set_alarm",
    "Set an alarm.",
    {
        "type": "object",
        "properties": {
            "time": {"type": "string"},
            "day": {"type": "string", "description": "ISO date"},
            "repeat": {"type": "integer"},
            "sound": {"type": "string", "enum": ["bell", "birds"]},
            "room": {"type": "string"},
        },
        "required": ["time"],
    },
)
NOW = Tool("now", "The time.", {"type": "object", "properties": {}})
SAID = "Wake me at 7 pm in my son's room, three times, not at eight in the kitchen"
DUE = {"time": "7 pm", "repeat": 3, "sound": "bell", "room": "my son's room", "day": "2026-03-01"}
BROKEN = BrokenCall("{", "unclosed brace at 1")


def scored(due: list[ToolCall], reply: Reply) -> RowScore:
    answer = Message("assistant", "", tuple(due))
    row = Conversation("r1", (ALARM, NOW), (Message("user", SAID), answer), where="test.jsonl:1")
    return score_row(row, reply, reply.text)


def alarm(**changes: Any) -> ToolCall:
    return ToolCall("set_alarm", {key: value for key, value in (DUE | changes).items() if value is not None})


ALARMED, ASKED = alarm(), ToolCall("now", {})
BY_MODE: dict[str, tuple[list[ToolCall], Reply]] = {
    "engine_error": ([ALARMED], Reply("", ending=Ending.ERROR)),
    "answered_in_text": ([ALARMED], Reply("It is set.")),
    "truncated": ([ALARMED], Reply("", broken=(BROKEN,), ending=Ending.LENGTH)),
    "broken_syntax": ([ALARMED], Reply("", broken=(BROKEN,))),
    "missing_call": ([ALARMED], Reply("")),
    "spurious_call": ([], Reply("", (ALARMED,))),
    "hallucinated_name": ([ALARMED], Reply("", (ToolCall("make_alarm", DUE),))),
    "wrong_tool": ([ALARMED], Reply("", (ASKED,))),
    "missing_parallel": ([ALARMED, ASKED], Reply("", (ASKED,))),
    "extra_call": ([ALARMED], Reply("", (ALARMED, ASKED))),
    "wrong_parameter": ([alarm(day=None)], Reply("", (alarm(day="my son's room", room=None),))),
    "missing_required": ([ALARMED], Reply("", (alarm(time=None),))),
    "unknown_parameter": ([ALARMED], Reply("", (alarm(colour="red"),))),
    "wrong_type": ([ALARMED], Reply("", (alarm(repeat="3"),))),
    "wrong_enum": ([ALARMED], Reply("", (alarm(sound="birds"),))),
    "off_by_one": ([ALARMED], Reply("", (alarm(day="2026-02-28"),))),
    "wrong_normalisation": ([ALARMED], Reply("", (alarm(time="19:00"),))),
    "wrong_span": ([ALARMED], Reply("", (alarm(room="son's room"),))),
    "wrong_value": ([ALARMED], Reply("", (alarm(room="attic"),))),
    "missing_optional": ([ALARMED], Reply("", (alarm(room=None),))),
    "invented_optional": ([alarm(room=None)], Reply("", (alarm(room="attic"),))),
}


def test_every_mode_is_produced_here() -> None:
    assert list(BY_MODE) == list(MODES)
    assert set(VALUE_MODES) < set(MODES)


@pytest.mark.parametrize("mode", MODES)
def test_a_row_that_fails_so_is_said_to_fail_so(mode: str) -> None:
    row = scored(*BY_MODE[mode])
    assert row.verdict("exact_match").value == 0.0
    assert row.modes[0] == mode
    extra = {"answered_in_text": ("missing_call",)}
    assert row.modes[1:] == extra.get(mode, ())


def test_a_row_names_all_that_is_wrong_with_it() -> None:
    wrong = alarm(time=None, repeat="3", colour="red")
    row = scored([ALARMED, ASKED, ASKED], Reply("", (wrong, ToolCall("make_alarm", {}))))
    assert row.modes == ("hallucinated_name", "missing_parallel", "missing_required", "unknown_parameter", "wrong_type")
    assert scored([], Reply("", (ToolCall("make_alarm", {}),))).modes == ("spurious_call", "hallucinated_name")
    assert scored([ALARMED], Reply("", (ALARMED,))).modes == ()


def test_two_values_that_changed_places_are_one_mode() -> None:
    swapped = scored([ALARMED], Reply("", (alarm(day="my son's room", room="2026-03-01"),)))
    assert swapped.modes == ("wrong_parameter",)


def test_what_could_not_be_read_is_not_also_missing() -> None:
    assert scored([ALARMED, ASKED], Reply("", (ASKED,), (BROKEN,))).modes == ("broken_syntax",)
    cut = Reply("", (alarm(room="attic"),), ending=Ending.LENGTH)
    assert scored([ALARMED], cut).modes == ("truncated", "wrong_value")
    talk = Reply("An alarm is a thing that", ending=Ending.LENGTH)
    assert scored([ALARMED], talk).modes == ("answered_in_text", "truncated", "missing_call")
    assert scored([], talk).modes == ("truncated",)


def test_a_value_that_took_in_its_neighbour_is_a_span() -> None:
    due = alarm(time="eight", day="in the kitchen")
    row = scored([due], Reply("", (alarm(time="eight in the kitchen", day=None),)))
    assert row.modes == ("wrong_span", "missing_optional")


@pytest.mark.parametrize(
    ("expected", "got", "schema", "mode"),
    [
        (5, "5", {}, "wrong_type"),
        (True, 1, {}, "wrong_type"),
        (5, 5.5, {"type": "integer"}, "wrong_type"),
        ("a", "b", {"anyOf": [{"const": "a"}, {"const": "b"}]}, "wrong_enum"),
        (5, 6, {}, "off_by_one"),
        (2, 120, {}, "off_by_one"),
        (5, 9, {}, "wrong_value"),
        (3, 8, {"type": "integer"}, "wrong_span"),
        ("09:30", "10:30", {}, "off_by_one"),
        ("2026-01-01", "2025-12-31", {}, "off_by_one"),
        ("2026-01-01", "2026-01-09", {}, "wrong_value"),
        ("9 days", "10 days", {}, "off_by_one"),
        ("noon", "Noon.", {}, "wrong_normalisation"),
        ("noon", "lunch", {}, "wrong_normalisation"),
        ("the kitchen", "kitchen", {}, "wrong_span"),
        ("the kitchen", "lights kitchen", {}, "wrong_span"),
        ("the kitchen", "the cuisine", {}, "wrong_value"),
        ("the kitchen", "", {}, "wrong_value"),
        (["the kitchen"], ["the kitchen", "lunch"], {}, "wrong_span"),
        (["the kitchen"], ["the kitchen", "attic"], {}, "wrong_value"),
        (["x", "y"], ["y", "x"], {}, "wrong_value"),
        ([1, 2], [1, "2"], {"items": {"type": "integer"}}, "wrong_type"),
        ({"a": 1, "b": "attic"}, {"a": "1", "b": "cellar"}, {}, "wrong_type"),
        ({"a": "x"}, {"a": "y"}, {"properties": {"a": {"enum": ["x", "y"]}}}, "wrong_enum"),
        ({"a": 1}, {}, {}, "wrong_value"),
        (None, "x", {}, "wrong_type"),
    ],
)
def test_ways_of_being_wrong(expected: Any, got: Any, schema: JsonObject, mode: str) -> None:
    places = [schema, *schema.get("anyOf", [])]
    assert value_mode(expected, got, places, schema, "at lunch 8 lights in the kitchen, 3 of them") == mode


NAMES = st.sampled_from(["set_alarm", "now", "make_alarm"])
VALUES = st.sampled_from(["7 pm", "19:00", "kitchen", "bell", 3, 4, True, None, 2.5, 10**400, math.inf]) | st.lists(
    st.integers(0, 3)
)
CALLS = st.lists(
    st.builds(ToolCall, NAMES, st.dictionaries(st.sampled_from([*DUE, "colour"]), VALUES, max_size=4)), max_size=3
)


@given(CALLS, CALLS, st.booleans(), st.sampled_from(Ending), st.sampled_from(["", "Sure."]))
def test_a_row_has_modes_exactly_where_it_failed(
    due: list[ToolCall], got: list[ToolCall], broken: bool, ending: Ending, text: str
) -> None:
    row = scored(due, Reply(text, tuple(got), (BROKEN,) if broken else (), ending))
    assert bool(row.modes) == (row.verdict("exact_match").value != 1)
    assert list(row.modes) == [mode for mode in MODES if mode in row.modes]


@given(CALLS, CALLS)
def test_the_confusion_matrix_has_every_call_once(due: list[ToolCall], got: list[ToolCall]) -> None:
    matrix = confusion([(match_calls(due, got, [ALARM, NOW]), Reply("", tuple(got)))])
    cells = [(one, other) for one, row in matrix.items() for other, n in row.items() for _ in range(n)]
    assert sorted(one for one, _ in cells if one != "(no call)") == sorted(call.name for call in due)
    assert sorted(other for _, other in cells if other != "(no call)") == sorted(call.name for call in got)


def test_a_broken_call_stands_in_the_matrix() -> None:
    row = scored([ALARMED], Reply("", broken=(BROKEN,)))
    assert confusion([(row.match, row.reply)]) == {"set_alarm": {"(broken)": 1}}


def test_counts_are_of_primary_modes_and_of_all() -> None:
    rows = [("a", ("wrong_tool",)), ("b", ("wrong_span", "missing_optional")), ("c", ("missing_optional",)), ("d", ())]
    assert count_modes([*rows, *[(f"e{i}", ("wrong_span",)) for i in range(4)]]) == {
        "wrong_span": {"n": 5, "rows": 5, "examples": ["b", "e0", "e1"]},
        "missing_optional": {"n": 1, "rows": 2, "examples": ["c", "b"]},
        "wrong_tool": {"n": 1, "rows": 1, "examples": ["a"]},
    }


def test_the_report_and_the_failures_say_the_modes(tmp_path: Path) -> None:
    rows = [scored(*case) for case in BY_MODE.values()] + [scored([ALARMED], Reply("", (ALARMED,)))]
    report = build_report("tuned", rows)
    paths = write_report(tmp_path, report, failures_of(rows))
    document = json.loads(paths.report.read_text())["aggregates"]
    assert sum(counted["n"] for counted in document["by_mode"].values()) == len(MODES)
    assert document["confusion"]["set_alarm"]["now"] == 1
    lines = [json.loads(line) for line in paths.failures.read_text().splitlines()]
    assert [line["mode"] for line in lines] == list(MODES)
    assert lines[1]["modes"] == ["answered_in_text", "missing_call"]


def test_failures_of_older_versions_are_still_read(tmp_path: Path) -> None:
    row = scored(*BY_MODE["wrong_tool"])
    write_report(tmp_path, build_report("tuned", [row]), failures_of([row]))
    line = json.loads((tmp_path / "failures.jsonl").read_text())
    old = {key: value for key, value in line.items() if key not in ("mode", "modes")}
    (tmp_path / "old.jsonl").write_text(json.dumps(old) + "\n")
    (pair,) = from_failures([row.conversation], tmp_path / "old.jsonl")
    assert pair.rejected.messages[-1].calls == (ASKED,)
