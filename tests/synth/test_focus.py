"""Rows for what failed: of the tools, parameters and categories that did, near the requests that did, never those."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from callwright.data.similar import words
from callwright.errors import RunError
from callwright.synth import Options, generate, load_phrasebook
from callwright.synth.examples import values_of
from callwright.synth.focus import focus_of, nearest
from callwright.synth.phrase import Template
from callwright.tools import load_tools
from callwright.types import Conversation, JsonObject, Message, Tool, ToolCall

HOME = Path(__file__).parents[2] / "examples" / "home"
TOOLS = load_tools(str(HOME / "tools.py"))
BOOK = load_phrasebook(HOME / "phrases.yaml", TOOLS)
ALARM = Tool(
    "set_alarm",
    "Set an alarm.",
    {"type": "object", "properties": {"time": {"type": "string"}, "label": {"type": "string"}}, "required": ["time"]},
)
RADIO = Tool("play_radio", "Play.", {"type": "object", "properties": {"station": {"type": "string"}}})


def failure(request: str, due: list[Any], got: list[Any], **more: Any) -> JsonObject:
    """A line of failures.jsonl; calls as (name, arguments)."""
    calls = [[{"name": name, "arguments": arguments} for name, arguments in some] for some in (due, got)]
    plain = {"id": request, "request": request, "expected_calls": calls[0], "got_calls": calls[1]}
    return {**plain, "expected_text": "", "mode": "wrong_value", **more}


def row(request: str, *calls: ToolCall, tools: tuple[Tool, ...] = (ALARM, RADIO)) -> Conversation:
    return Conversation(request, tools, (Message("user", request), Message("assistant", "" if calls else "No.", calls)))


def test_a_focus_counts_what_failed() -> None:
    found = focus_of(
        [
            failure("wake me at six", [("set_alarm", {"time": "six", "label": "x"})], [("set_alarm", {"time": "six"})]),
            failure("jazz at six", [("set_alarm", {"time": "six"})], [("play_radio", {"station": "jazz"})]),
            failure("both", [("set_alarm", {"time": "a"}), ("play_radio", {})], []),
            failure("tell me a joke", [], [("play_radio", {})]),
            failure("wake me", [], [("set_alarm", {"time": "?"})], expected_text="When?"),
            failure("of other tools", [("gone", {})], []),
        ],
        (ALARM, RADIO),
    )
    assert found.tools == {"set_alarm": 3.5, "play_radio": 2.0}
    assert found.parameters["set_alarm"] == {"label": 1, "time": 2}
    assert found.shares == {"parallel": 0.2, "no_call": 0.2, "missing": 0.2}


def test_wordings_near_a_failure_weigh_more() -> None:
    focus = focus_of([failure("wake me up at six", [("set_alarm", {"time": "six"})], [])], (ALARM, RADIO))
    near, parameter, neither = (
        focus.weight("set_alarm", Template(say)) for say in ("wake me up at {time}", "clock to {time}", "bell")
    )
    assert near > parameter > neither == 1.0
    assert focus.weight("play_radio", Template("wake me up at {time}")) == 1.0


def test_failures_of_other_tools_are_refused() -> None:
    with pytest.raises(RunError, match="other tools"):
        focus_of([failure("x", [("gone", {})], [])], (ALARM,))


@pytest.mark.parametrize("book", [BOOK, None])
def test_rows_are_made_of_what_failed(book: Any) -> None:
    shopping, timer = (next(tool for tool in TOOLS if part in tool.name) for part in ("shopping", "timer"))
    failures = [failure("put bread on the list", [(shopping.name, {"item": "bread"})], [])] * 3
    failures += [failure("a timer", [(timer.name, {"minutes": 5})], [])]
    failures += [failure("book a taxi", [], [("taxi", {})])] * 4
    rows = list(generate(TOOLS, book, 200, 1, Options(focus=focus_of(failures, TOOLS))))
    called = Counter(call.name for one in rows for message in one.messages for call in message.calls)
    assert set(called) == {shopping.name, timer.name}
    assert called[shopping.name] > called[timer.name] > 0
    assert abs(sum(one.source == "synth:no_call" for one in rows) - 100) <= 2
    assert rows == list(generate(TOOLS, book, 200, 1, Options(focus=focus_of(failures, TOOLS))))


def test_only_spurious_calls_make_rows_without_one() -> None:
    rows = list(generate(TOOLS, BOOK, 20, 1, Options(focus=focus_of([failure("hi", [], [("x", {})])], TOOLS))))
    assert not [call for one in rows for message in one.messages for call in message.calls]


def test_the_nearest_rows_of_a_pool_come_first_and_never_the_failure() -> None:
    pool = [
        row("wake me up at nine please", ToolCall("set_alarm", {"time": "nine"})),
        row("an alarm for noon", ToolCall("set_alarm", {"time": "noon"})),
        row("WAKE me up, at six!", ToolCall("set_alarm", {"time": "six"})),
        row("play radio nova", ToolCall("play_radio", {"station": "nova"})),
        row("what is love"),
    ]
    missed = failure("wake me up at six", [("set_alarm", {"time": "six"})], [("set_alarm", {"time": "up"})])
    assert [one.id for one in nearest(pool, [missed], 9)] == ["wake me up at nine please", "an alarm for noon"]
    taken = nearest(pool, [missed], 1)
    assert [one.id for one in taken] == ["wake me up at nine please"]
    assert taken[0].provenance["chosen"] == "near a failure"
    mistaken = failure("wake me with radio nova", [("set_alarm", {})], [("play_radio", {"station": "nova"})])
    assert "play radio nova" in [one.id for one in nearest(pool, [mistaken], 2)]
    spurious = failure("what is war", [], [("play_radio", {})])
    assert [one.id for one in nearest(pool, [spurious], 1)] == ["what is love"]


def test_failures_take_turns() -> None:
    pool = [row(f"wake me at {n}", ToolCall("set_alarm", {"time": str(n)})) for n in range(20)]
    pool += [row(f"play station {n}", ToolCall("play_radio", {"station": str(n)})) for n in range(20)]
    failures = [
        failure("wake me soon", [("set_alarm", {})], []),
        failure("play something", [("play_radio", {})], []),
    ]
    found = Counter(words(one.id)[0] for one in nearest(pool, failures, 10))
    assert found == {"wake": 5, "play": 5}
    assert len({one.id for one in nearest(pool, failures, 100)}) == 40


def test_values_of_the_users_own_rows_are_those_that_stand_there() -> None:
    rows = [
        row("wake me at six am", ToolCall("set_alarm", {"time": "six am", "label": "work"})),
        row("an alarm for sixteen", ToolCall("set_alarm", {"time": "six"})),
        row("an alarm for noon", ToolCall("set_alarm", {"time": "noon"})),
    ]
    assert values_of(rows, (ALARM,)) == {("set_alarm", "time"): [("six am", "six am"), ("noon", "noon")]}
