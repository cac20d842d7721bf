"""Rows without a teacher: the same for a seed, in their quotas, valid, and saying what they mean."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.errors import ToolError
from callwright.schema import validate
from callwright.synth import generate, load_phrasebook
from callwright.synth.fill import clock, degrees, minutes, percent, words
from callwright.tools import load_tools
from callwright.types import Tool

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
    assert abs(counts["synth:parallel"] - 190) <= 15
    assert abs(counts["synth:no_call"] - 130) <= 15
    assert abs(counts["synth:missing"] - 80) <= 15
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
        for call in answer.calls:
            assert validate(call.arguments, declared[call.name].parameters) == []
            for name in copied & call.arguments.keys():
                assert call.arguments[name] in request.text


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
