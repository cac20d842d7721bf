"""Groundedness: what is said in any usual form is found, what nobody said is not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.synth import fill
from callwright.synth.ground import ungrounded
from callwright.synth.values import draw, examples_in, shown
from callwright.types import Tool, ToolCall

SEEDS = st.integers(0, 2**32)


def unsaid(text: str, value: object, schema: dict | None = None, name: str = "v") -> list[str]:
    tool = Tool("t", "", {"type": "object", "properties": {name: schema or {}}})
    return ungrounded(ToolCall("t", {name: value}), tool, text)


@given(SEEDS)
def test_times_and_durations_are_found_however_they_are_said(seed: int) -> None:
    said, value = fill.clock(random.Random(seed))
    assert unsaid(f"wake me at {said} please", value) == []
    said, value = fill.minutes(random.Random(seed))
    assert unsaid(f"timer of {said} please", value, {"description": "Whole minutes"}) == []


@pytest.mark.parametrize(
    ("text", "value", "schema"),
    [
        ("Weather in Oslo", "Oslo", {}),
        ("weather in oslo", "Oslo", {}),
        ("a table for two", 2, {}),
        ("about 1,200 euros", 1200, {}),
        ("about 1,200 euros", 1200.0, {}),
        ("on March 3rd, 2026", "2026-03-03", {}),
        ("on 3/14/2026", "2026-03-14", {}),
        ("it is in progress", "in_progress", {"enum": ["in_progress", "done"]}),
        ("show me theaters", "THEATER", {"enum": ["THEATER", "CINEMA"]}),
        ("Oslo and Rome", ["Oslo", "Rome"], {}),
        ("to Ann, about rain", {"to": "Ann", "topic": "rain"}, {}),
        ("the usual", "x", {"const": "x"}),
        ("it was 90 seconds", 1.5, {"description": "minutes"}),
        ("three quarters of an hour", 45, {"description": "minutes"}),
        ("a two-hour timer", 120, {"description": "minutes"}),
        ("two hours and ten minutes", 130, {"description": "minutes"}),
    ],
)
def test_what_was_said(text: str, value: object, schema: dict) -> None:
    assert unsaid(text, value, schema) == []


@pytest.mark.parametrize(
    ("text", "value", "schema"),
    [
        ("Weather in Oslo", "Paris", {}),
        ("Osloer Strasse", "Oslo", {}),
        ("a table for two", 3, {}),
        ("call 12345", 234, {}),
        ("on March 3rd, 2026", "2026-04-03", {}),
        ("it is done", "in_progress", {"enum": ["in_progress", "done"]}),
        ("Oslo and Rome", ["Oslo", "Bern"], {}),
        ("at half past seven pm", "07:30", {}),
        ("at 8.20", "08:00", {}),
        ("two hours and ten minutes", 131, {"description": "minutes"}),
    ],
)
def test_what_nobody_said(text: str, value: object, schema: dict) -> None:
    assert unsaid(text, value, schema) == [
        f"v: {bad!r}" for bad in ([value[1]] if isinstance(value, list) else [value])
    ]


def test_booleans_need_their_name_and_false_a_no() -> None:
    assert unsaid("with breakfast", True, name="include_breakfast") == []
    assert unsaid("a room", True, name="include_breakfast") != []
    assert unsaid("with breakfast", False, name="include_breakfast") != []
    assert unsaid("without breakfast", False, name="include_breakfast") == []


NAMES = [
    "city",
    "start_date",
    "user_id",
    "email",
    "n",
    "is_open",
    "tags",
    "price",
    "genre",
    "when",
    "zzz",
    "start_time",
]
SCHEMAS = st.sampled_from([
    {"type": "string"},
    {"type": "string", "description": "The kind (e.g., red, green or blue)"},
    {"type": "string", "format": "date"},
    {"type": "integer", "minimum": 3, "maximum": 9},
    {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    {"type": "array", "items": {"type": "string"}, "minItems": 2},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False},
    {"type": ["string", "null"]},
    {"enum": ["in_progress", "done", 3]},
    {"type": "string", "pattern": "^[a-z]{3}$"},
    {"$ref": "#/$defs/x"},
])  # fmt: skip


@settings(max_examples=200)
@given(st.sampled_from(NAMES), SCHEMAS, SEEDS)
def test_drawn_values_are_valid_and_said(name: str, schema: dict, seed: int) -> None:
    from callwright.schema import validate

    root = {"type": "object", "properties": {name: schema}, "$defs": {"x": {"type": "integer"}}}
    said, value = draw(name, schema, root, random.Random(seed))
    assert validate({name: value}, root) == []
    assert ungrounded(ToolCall("t", {name: value}), Tool("t", "", root), f"with {name} {said}.") == []


def test_examples_that_a_description_names() -> None:
    assert examples_in("The genre (e.g., jazz, rock or folk)") == ("jazz", "rock", "folk")
    assert examples_in("One of 'asc' and 'desc'") == ("asc", "desc")
    assert examples_in("The date, such as 2024-01-01") == ()
    assert examples_in("The name of the city") == ()
    assert shown(["a_b", "c d"]) == "a b and c d"
