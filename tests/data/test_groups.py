"""Splits by dialogue, template and tool, over rows made at random: nothing stands on both sides."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.data import conversations, write
from callwright.data.groups import KEYS, By, Groups, template_keys
from callwright.data.split import Outputs, split
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message, Tool, ToolCall

TOOLS = [Tool(f"f{n}", "", {"type": "object", "properties": {}}) for n in range(12)]
CITIES = ("Oslo", "Rome", "Lima")


@st.composite
def dialogue(draw: st.DrawFn, number: int) -> list[Conversation]:
    """One dialogue, cut after some of its answers: a row a cut."""
    tools = tuple(draw(st.lists(st.sampled_from(TOOLS), min_size=1, max_size=2, unique_by=id)))
    city = draw(st.sampled_from(CITIES))
    opening = draw(st.sampled_from(["Hi", f"What is it like in {city} today?", f"Route {number} to {city}, please"]))
    messages: list[Message] = []
    rows = []
    for turn in range(draw(st.integers(1, 3))):
        calls = (ToolCall(draw(st.sampled_from(tools)).name, {"city": city}),) if draw(st.booleans()) else ()
        messages += [Message("user", opening if not turn else "And then?")]
        messages += [Message("assistant", "" if calls else f"So it is in {number}.", calls)]
        provenance: JsonObject = {"template": draw(st.sampled_from(["t1", "t2", "t3"]))} if draw(st.booleans()) else {}
        rows.append(Conversation(f"{number}-{turn}", tools, tuple(messages), provenance=provenance))
    return rows


@st.composite
def row_lists(draw: st.DrawFn) -> list[Conversation]:
    count = draw(st.integers(4, 14))
    rows = [row for number in range(count) for row in draw(dialogue(number))]
    return draw(st.permutations(rows))


@pytest.mark.parametrize("by", ["dialogue", "template", "tool", "called"])
@settings(max_examples=60, deadline=None)
@given(rows=row_lists(), share=st.sampled_from([0.2, 0.5]), seed=st.integers(0, 3))
def test_nothing_stands_on_both_sides(by: By, rows: list[Conversation], share: float, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "x.jsonl", rows)
        try:
            counts = split(folder / "x.jsonl", Outputs(folder / "t.jsonl", folder / "d.jsonl"), share, seed=seed, by=by)
        except DataError:
            return
        train, dev = (list(conversations(folder / side)) for side in ("t.jsonl", "d.jsonl"))
    assert sorted(row.id for row in [*train, *dev]) == sorted(row.id for row in rows)
    assert (counts.train, counts.held_out) == (len(train), len(dev)) and len(dev) <= round(share * len(rows))
    sides = [{key for row in side for key in KEYS[by](row)} for side in (train, dev)]
    assert not sides[0] & sides[1]
    if by == "dialogue":
        assert not {row.id.split("-")[0] for row in train} & {row.id.split("-")[0] for row in dev}
    if by == "called":
        called = {call.name for row in dev for message in row.messages for call in message.calls}
        assert not called & {tool.name for row in train for tool in row.tools}
        for row in train:
            assert {call.name for m in row.messages for call in m.calls} <= {tool.name for tool in row.tools}


@settings(max_examples=50, deadline=None)
@given(rows=row_lists(), order=st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order(rows: list[Conversation], order: object) -> None:
    def found(some: list[Conversation]) -> dict[str, int]:
        groups = Groups("tool", 0)
        for row in some:
            groups.add(row)
        return {row.id: groups.of(row) for row in some}

    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert found(rows) == found(shuffled)


def test_a_template_is_the_request_without_its_values() -> None:
    def keys(said: str, **arguments: object) -> list[str]:
        answer = Message("assistant", "", (ToolCall("f", arguments),))
        return list(template_keys(Conversation("r", (), (Message("user", said), answer))))

    first = keys("Book a table for 4 in Oslo at 19:30", people=4, city="Oslo", at="19:30")
    assert first == keys("book a table for 12 in New York at 8:00", people=12, city="New York", at="8:00")
    assert first != keys("Book a room for 4 in Oslo at 19:30", people=4, city="Oslo", at="19:30")
    row = Conversation("r", (), (Message("user", "x"),), provenance={"template": ["a", "b"]})
    assert template_keys(row) == ["template a", "template b"]
    assert template_keys(replace(row, provenance={})) == ["request x"]
