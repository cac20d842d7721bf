"""Rows without a teacher: the same for a seed, in their quotas, valid, and saying what they mean."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.data.lint import LintReport, lint
from callwright.errors import ToolError
from callwright.schema import validate
from callwright.synth import Options, Plan, Recorder, generate, load_phrasebook
from callwright.synth.examples import templates_of
from callwright.synth.fill import clock, degrees, minutes, percent, words
from callwright.synth.phrase import Phrasebook, Phrases, Template
from callwright.synth.request import Around
from callwright.synth.verify import CHECKS
from callwright.tools import load_tools
from callwright.types import Conversation, Message, Tool, ToolCall

HOME = Path(__file__).parents[2] / "examples" / "home"
TOOLS = load_tools(str(HOME / "tools.py"))
BOOK = load_phrasebook(HOME / "phrases.yaml", TOOLS)


def test_the_same_seed_gives_the_same_rows() -> None:
    first, again, other = (list(generate(TOOLS, BOOK, 200, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_quotas_and_uniqueness() -> None:
    rows = list(generate(TOOLS, BOOK, 1000, 3))
    counts = Counter(row.source for row in rows)
    assert abs(counts["synth:parallel"] - 160) <= 15
    assert abs(counts["synth:no_call"] - 170) <= 15
    assert abs(counts["synth:missing"] - 100) <= 15
    assert len({row.messages[0].text.casefold() for row in rows}) == 1000
    assert len({row.id for row in rows}) == 1000
    assert {call.name for row in rows for call in row.messages[1].calls} == {tool.name for tool in TOOLS}


def test_every_row_is_valid_and_says_what_it_copies() -> None:
    declared = {tool.name: tool for tool in TOOLS}
    copied = {"title", "to", "text", "query", "item", "destination", "city"}
    for row in generate(TOOLS, BOOK, 1500, 4):
        request, answer = row.messages
        assert bool(answer.calls) != bool(answer.text)
        assert bool(answer.calls) == (row.source in ("synth:single", "synth:parallel"))
        assert (len(answer.calls) > 1) == (row.source == "synth:parallel")
        assert row.provenance["checks"] == list(CHECKS)
        for call in answer.calls:
            assert validate(call.arguments, declared[call.name].parameters) == []
            for name in copied & call.arguments.keys():
                assert call.arguments[name] in request.text


def test_every_category_with_results() -> None:
    shares = {"parallel": 0.1, "no_call": 0.1, "missing": 0.1, "clarify": 0.2, "multi_turn": 0.2, "chain": 0.1}
    options = Options(Plan.of(shares), per_row=(1, 5), licence="CC0-1.0")
    rows = list(generate(TOOLS, BOOK, 200, 5, options))
    assert Counter(row.source for row in rows)["synth:chain"] == 20
    for row in rows:
        called = [call for message in row.messages for call in message.calls]
        assert {call.name for call in called} <= {tool.name for tool in row.tools}
        assert len(row.tools) <= max(5, len({call.name for call in called}))
        assert row.provenance["licence"] == "CC0-1.0"
        results = [message for message in row.messages if message.role == "tool"]
        if row.source in ("synth:multi_turn", "synth:chain"):
            assert [message.call_id for message in results] == [call.id for call in called]
            assert len({call.id for call in called}) == len(called)
            assert row.messages[-1].role == "assistant"
            assert not row.messages[-1].calls
        if row.source == "synth:clarify":
            assert [message.role for message in row.messages] == ["user", "assistant", "user", "assistant"]
            assert row.messages[-1].calls
    report = LintReport()
    for row in rows:
        report.add(lint(row))
    assert report.errors == 0, report.first


def test_a_result_feeds_the_next_call() -> None:
    ids = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
    dish = {"type": "object", "properties": {"dish": {"type": "string"}}, "required": ["dish"]}
    tools = (Tool("create_order", "Create an order for a dish.", dish), Tool("cancel_order", "Cancel an order.", ids))
    rows = [r for r in generate(tools, None, 30, 2, Options(Plan.of({"nested": 1.0}))) if r.source == "synth:nested"]
    assert len(rows) > 20
    for row in rows:
        first, second = (call for message in row.messages for call in message.calls)
        made = json.loads(row.messages[2].text)["id"]
        assert (first.name, second.name, second.arguments) == ("create_order", "cancel_order", {"order_id": made})
        assert made not in row.messages[0].text


@pytest.mark.parametrize(
    ("shares", "named"),
    [
        ({"paralel": 0.1}, "did you mean 'parallel'"),
        ({"chain": -1}, "from 0 to 1"),
        ({"chain": 0.7, "no_call": 0.7}, "pass 1"),
    ],
)
def test_a_wrong_plan_is_named(shares: dict[str, float], named: str) -> None:
    with pytest.raises(ToolError, match=named):
        Plan.of(shares)


def test_what_is_thrown_away_is_kept_with_its_reason() -> None:
    recorder = Recorder()
    tool = Tool("flip", "Flip.", {"type": "object", "properties": {"n": {"type": "integer", "maximum": 1}}})
    phrases = Phrases((Template("flip"), Template("flip {n}")), {"n": ("n",)})
    book = Phrasebook({"flip": phrases}, {"n": (("1", 1), ("two", 2))}, around=Around(("",), ("",), (" and ",)))
    with pytest.raises(ToolError, match=r"no new request could be made after \d+ rows"):
        list(generate((tool,), book, 2000, 0, Options(Plan.of({}), rejected=recorder)))
    assert {entry["why"].split(":")[0] for entry in recorder.rejected} == {"unique", "schema"}
    assert all(entry["request"] and entry["calls"] for entry in recorder.rejected)


def test_the_users_own_requests_are_asked_again_with_other_values() -> None:
    def row(text: str, call: ToolCall) -> Conversation:
        return Conversation("x", TOOLS, (Message("user", text), Message("assistant", "", (call,))))

    examples = [
        row("yo, drop some Moby on me", ToolCall("play_music", {"query": "Moby"})),
        row("it is gloomy in the hall", ToolCall("set_light", {"room": "hall", "state": "on"})),
        row("no such value", ToolCall("play_music", {"query": "Moby"})),
    ]
    templates, _ = templates_of(examples, TOOLS)
    assert templates == {
        "play_music": [Template("yo, drop some {query} on me")],
        "set_light": [Template("it is gloomy in the {room}", {"state": "on"})],
    }
    rows = list(generate(TOOLS, None, 600, 1, Options(examples=examples)))
    gloomy = [r for r in rows if "it is gloomy in the" in r.messages[0].text and r.source == "synth:single"]
    assert len({r.messages[1].calls[0].arguments["room"] for r in gloomy}) > 3
    assert {r.messages[1].calls[0].arguments["state"] for r in gloomy} == {"on"}


@given(st.integers(0, 2**32))
def test_times_mean_what_they_say(seed: int) -> None:
    said, value = clock(random.Random(seed))
    hour, minute = map(int, value.split(":"))
    assert 0 <= hour < 24
    assert 0 <= minute < 60
    if said.endswith(("pm", "p.m.", "afternoon", "evening", " at night")):
        assert hour >= 12
    if said.endswith(("am", "a.m.", "morning")):
        assert hour < 12
    if "half past" in said:
        assert minute == 30
    for pool in (minutes, degrees, percent):
        surface, number = pool(random.Random(seed))
        assert surface
        assert isinstance(number, int)


def test_numbers_in_words() -> None:
    assert [words(n) for n in (0, 13, 20, 21, 99, 100)] == [
        "zero", "thirteen", "twenty", "twenty one", "ninety nine", "a hundred",
    ]  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_tools_without_a_phrasebook(seed: int) -> None:
    properties = {"city": {"type": "string"}, "n": {"type": "integer", "minimum": 1}, "kind": {"enum": ["a", "b"]}}
    schema = {"type": "object", "properties": properties, "required": ["city", "n"]}
    tools = (
        Tool("find_hotels", "Find hotels in a city.", schema),
        Tool("getTime", "", {"type": "object", "properties": {}}),
    )
    rows = list(generate(tools, None, 12, seed))
    assert len(rows) == 12
    for row in rows:
        for call in row.messages[1].calls:
            assert validate(call.arguments, {t.name: t for t in tools}[call.name].parameters) == []


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"tools": {"set_lihgt": {}}}, "did you mean 'set_light'"),
        ({"tools": {"set_light": {"slots": {"rom": "rooms"}}}}, "did you mean 'room'"),
        ({"tools": {"set_light": {"slots": {"room": "romms"}}}, "pools": {"rooms": ["hall"]}}, "did you mean 'rooms'"),
        ({"tools": {"set_light": {"templates": ["light in {rom}"]}}}, "no slot 'rom'"),
        ({"tools": {}}, "has no phrases for"),
        (["x"], "a phrasebook is a mapping"),
    ],
)
def test_a_wrong_phrasebook_is_named(content: object, named: str, tmp_path: Path) -> None:
    path = tmp_path / "phrases.yaml"
    path.write_text(json.dumps(content))
    with pytest.raises(ToolError, match=named) as caught:
        load_phrasebook(path, TOOLS)
    assert str(path) in str(caught.value)
