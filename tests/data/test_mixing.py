"""Repetitions, overlap with a test file, and weighted mixes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.data.dedupe import Dropped, dedupe
from callwright.data.mix import Source, mix
from callwright.data.overlap import Seen, overlap, tool_key, without_overlap
from callwright.errors import DataError
from callwright.types import Conversation, Message, Tool, ToolCall

TOOL = Tool("get_weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def row(name: str, text: str, city: str = "Oslo", tools: tuple[Tool, ...] = (TOOL,)) -> Conversation:
    call = ToolCall(tools[0].name if tools else "f", {"city": city}, id=f"call-{name}")
    return Conversation(name, tools, (Message("user", text), Message("assistant", "", (call,))))


LONG = "could you please tell me what the weather will be like in the old town of Oslo tomorrow"


def test_equal_and_nearly_equal_rows_go_and_say_which_stays() -> None:
    rows = [row("a", LONG), row("b", LONG), row("c", LONG + " please"), row("d", "something else entirely, is it warm")]
    dropped = Dropped()
    assert [kept.id for kept in dedupe(rows, dropped)] == ["a", "d"]
    assert dropped.equal == [("b", "a")]
    assert dropped.near == [("c", "a")]
    assert [kept.id for kept in dedupe(rows, Dropped(), threshold=None)] == ["a", "c", "d"]


def test_rows_that_call_other_functions_are_no_twins() -> None:
    other = row("b", LONG + " now", tools=(replace(TOOL, name="get_tide"),))
    assert len(list(dedupe([row("a", LONG), other], Dropped()))) == 2


def test_the_order_of_tools_makes_no_other_row() -> None:
    both = (TOOL, replace(TOOL, name="get_tide"))
    rows = [row("a", "x", tools=both), replace(row("b", "x", tools=both), tools=both[::-1])]
    assert len(list(dedupe(rows, Dropped(), threshold=None))) == 1


def test_overlap_by_request_and_by_tool() -> None:
    seen = Seen.of([row("train", LONG)])
    test = [
        row("same run", "ok, " + LONG, tools=(replace(TOOL, name="other_thing"),)),
        row("same tool", "warm?", tools=(replace(TOOL, name="Weather_1_GetWeather"),)),
        row("neither", "warm?", tools=(replace(TOOL, name="lock_door"),)),
    ]
    found = overlap(seen, test)
    assert set(found.requests) == {"same run"}
    assert found.tools == {"same tool": "get_weather"}
    kept, removed = without_overlap([row("t", LONG), row("u", "is it warm")], [test[0]], tools=False)
    assert [r.id for r in kept] == ["u"] and [r.id for r in removed] == ["t"]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("GetWeather", "weather.get_weather", True),
        ("Hotels_4_SearchHotel", "searchHotel", True),
        ("search", "search", True),
        ("search", "find", False),
    ],
)
def test_names_of_the_same_tool(a: str, b: str, same: bool) -> None:
    assert (tool_key(replace(TOOL, name=a)) == tool_key(replace(TOOL, name=b))) is same


def test_common_names_need_the_same_parameters() -> None:
    other = Tool("search", "", {"type": "object", "properties": {"q": {}}})
    assert tool_key(replace(TOOL, name="search")) != tool_key(other)


def rows(name: str, count: int) -> list[Conversation]:
    return [row(f"{name}{i}", f"{name} {i}") for i in range(count)]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(0.1, 10), st.none() | st.integers(0, 20)), min_size=1, max_size=4),
    st.integers(0, 60),
    st.integers(0, 5),
)
def test_a_mix_keeps_its_count_its_caps_and_its_seed(given_sources: list, count: int, seed: int) -> None:
    sources = [Source(f"s{i}", rows(f"s{i}-", n), weight, cap) for i, (n, weight, cap) in enumerate(given_sources)]
    most = sum(min(len(s.rows), s.cap if s.cap is not None else len(s.rows)) for s in sources)
    if count > most:
        with pytest.raises(DataError, match="rows are asked for"):
            mix(sources, count, seed)
        return
    mixed = mix(sources, count, seed).rows
    assert len(mixed) == len({r.id for r in mixed}) == count
    assert mixed == mix(sources, count, seed).rows
    for source in sources:
        taken = sum(r.source == source.name for r in mixed)
        assert taken <= (source.cap if source.cap is not None else len(source.rows))


def test_shares_follow_the_weights() -> None:
    mixed = mix([Source("a", rows("a", 100), 3.0), Source("b", rows("b", 100), 1.0)], 40, 0).rows
    assert [sum(r.source == name for r in mixed) for name in "ab"] == [30, 10]


def test_a_source_that_runs_out_is_made_up_by_the_others() -> None:
    mixed = mix([Source("a", rows("a", 5), 9.0), Source("b", rows("b", 100), 1.0)], 40, 0).rows
    assert [sum(r.source == name for r in mixed) for name in "ab"] == [5, 35]


def test_a_weight_of_nothing_is_an_error() -> None:
    with pytest.raises(DataError, match="must be above 0"):
        mix([Source("a", rows("a", 1), 0.0)], None, 0)
