"""The matcher: equality by JSON type, and a pairing that no order of parallel calls can change."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.score.calls import match_arguments, match_calls, shown
from callwright.types import JsonObject, Tool, ToolCall

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)
CALLS = st.lists(st.builds(ToolCall, st.sampled_from(["f", "g"]), ARGUMENTS), max_size=5)
# Few values, so that equal and nearly equal calls are common.
CLOSE_CALLS = st.lists(
    st.builds(
        ToolCall,
        st.sampled_from(["f", "g"]),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 2), max_size=3),
    ),
    max_size=5,
)


def equal(expected: Any, got: Any, schema: JsonObject | None = None) -> bool:
    parameters = None if schema is None else {"type": "object", "properties": {"x": schema}}
    return match_arguments({"x": expected}, {"x": got}, parameters)["x"]


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ("1.5", "15"),
        ("5", 5),
        (5, "5"),
        (True, 1),
        (1, True),
        (False, 0),
        (0.0, False),
        ("Rome", "rome"),
        ("Rome", "Rome "),
        ("é", "e\u0301"),
        (None, "null"),
        (None, ""),
        (None, 0),
        ([], {}),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ({"a": None}, {}),
        ({"a": [True]}, {"a": [1]}),
        (2**53 + 1, float(2**53)),
    ],
)
def test_pitfall_11_no_normalisation_makes_different_values_equal(expected: Any, got: Any) -> None:
    assert not equal(expected, got)
    assert not equal(got, expected)


@pytest.mark.parametrize(
    ("expected", "got"),
    [(5, 5.0), (-0.0, 0), (1e3, 1000), ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}), (math.nan, math.nan)],
)
def test_equal_whatever_the_number_type_or_key_order(expected: Any, got: Any) -> None:
    assert equal(expected, got)
    assert equal(expected, got, {"type": "integer"})


def test_arrays_are_sets_only_where_the_schema_says_so() -> None:
    unique = {"type": "array", "uniqueItems": True, "items": {"type": "string"}}
    assert equal(["a", "b"], ["b", "a"], unique)
    assert not equal(["a", "b"], ["b", "c"], unique)
    assert not equal(["a", "a", "b"], ["a", "b", "b"], unique)
    assert not equal(["a", "b"], ["b", "a"], {"type": "array", "uniqueItems": False})


def test_unique_items_is_found_behind_a_ref_and_a_nullable() -> None:
    parameters = {
        "type": "object",
        "properties": {"tags": {"anyOf": [{"$ref": "#/$defs/Tags"}, {"type": "null"}]}},
        "$defs": {"Tags": {"type": "array", "uniqueItems": True}},
    }
    assert match_arguments({"tags": [1, 2]}, {"tags": [2, 1]}, parameters) == {"tags": True}


def test_a_schema_that_refers_to_itself_ends() -> None:
    parameters = {"$ref": "#", "properties": {"next": {"$ref": "#"}, "n": {"default": 3}}}
    assert match_arguments({"next": {"next": {"n": 3}}}, {"next": {"next": {}}}, parameters) == {"next": True}


def test_an_omitted_argument_equals_its_default() -> None:
    parameters = {"type": "object", "properties": {"unit": {"type": "string", "default": "C"}, "n": {"default": None}}}
    assert match_arguments({}, {"unit": "C"}, parameters) == {"unit": True}
    assert match_arguments({"unit": "C"}, {}, parameters) == {"unit": True}
    assert match_arguments({"unit": "F"}, {}, parameters) == {"unit": False}
    assert match_arguments({"n": None}, {}, parameters) == {"n": True}
    assert match_arguments({}, {"other": None}, parameters) == {"other": False}


def test_a_default_inside_an_object_and_an_array_counts_too() -> None:
    place = {"type": "object", "properties": {"country": {"default": "IT"}}}
    assert equal({"city": "Rome"}, {"city": "Rome", "country": "IT"}, place)
    assert equal([{}], [{"country": "IT"}], {"type": "array", "items": place})
    assert not equal([{}], [{"country": "FR"}], {"type": "array", "items": place})


def test_malformed_schemas_are_passed_over() -> None:
    for parameters in (
        {"properties": None},
        {"properties": {"x": True}},
        {"properties": {"x": {"$ref": "other.json"}}},
    ):
        assert match_arguments({"x": 1}, {"x": 1}, parameters) == {"x": True}


@given(CALLS)
def test_identical_calls_are_exact(calls: list[ToolCall]) -> None:
    match = match_calls(calls, copy.deepcopy(calls), [])
    assert match.exact and match.names_equal and match.why == ""
    assert match.arguments_right == match.arguments_total == sum(len(call.arguments) for call in calls)


@given(CLOSE_CALLS, CLOSE_CALLS)
def test_exactness_is_symmetric(left: list[ToolCall], right: list[ToolCall]) -> None:
    forward, backward = match_calls(left, right, []), match_calls(right, left, [])
    assert forward.exact == backward.exact
    assert forward.names_equal == backward.names_equal
    assert forward.arguments_right == backward.arguments_right
    assert forward.exact == (forward.why == "")


@given(CLOSE_CALLS, CLOSE_CALLS, st.randoms())
def test_the_order_of_parallel_calls_never_matters(left: list[ToolCall], right: list[ToolCall], random: Any) -> None:
    before = match_calls(left, right, [])
    left, right = random.sample(left, len(left)), random.sample(right, len(right))
    after = match_calls(left, right, [])
    for name in ("exact", "names_equal", "arguments_right", "arguments_total"):
        assert getattr(before, name) == getattr(after, name), name
    assert len(before.pairs) == len(after.pairs)


@given(CLOSE_CALLS, CLOSE_CALLS)
def test_no_other_pairing_is_better(left: list[ToolCall], right: list[ToolCall]) -> None:
    left, right = ([ToolCall("f", call.arguments) for call in calls] for calls in (left, right))
    match = match_calls(left, right, [])
    short, long = sorted((left, right), key=len)
    every = [
        [match_arguments(a.arguments, b.arguments, None) for a, b in zip(short, chosen, strict=True)]
        for chosen in itertools.permutations(long, len(short))
    ]
    worths = [(sum(all(c.values()) for c in cells), sum(sum(c.values()) for c in cells)) for cells in every]
    assert (sum(pair.exact for pair in match.pairs), match.arguments_right) == max(worths)


def leaf_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in leaf_paths(item, (*path, key))]
    if isinstance(value, list):
        return [found for key, item in enumerate(value) for found in leaf_paths(item, (*path, key))]
    return [path]


@given(ARGUMENTS.filter(leaf_paths), LEAVES, st.data())
def test_changing_any_one_leaf_is_inexact(arguments: JsonObject, other: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(leaf_paths(arguments)))
    changed = copy.deepcopy(arguments)
    holder: Any = changed
    for key in path[:-1]:
        holder = holder[key]
    old = holder[path[-1]]
    # An oracle of its own: JSON type and value, where 5 and 5.0 are one.
    kinds = [bool if isinstance(v, bool) else float if isinstance(v, (int, float)) else type(v) for v in (old, other)]
    holder[path[-1]] = other
    match = match_calls([ToolCall("f", arguments)], [ToolCall("f", changed)], [])
    assert match.exact == (kinds[0] is kinds[1] and old == other)
    if not match.exact:
        assert match.why.startswith(f"f.{path[0]}: expected ")
        assert match.arguments_right == match.arguments_total - 1


def test_exact_pairs_come_before_more_matching_arguments() -> None:
    gold = [ToolCall("f", {"a": 1, "b": 1, "c": 1}), ToolCall("f", {"a": 9})]
    got = [ToolCall("f", {"a": 9}), ToolCall("f", {"a": 1, "b": 1, "c": 2})]
    match = match_calls(gold, got, [])
    assert [pair.exact for pair in match.pairs] == [False, True]
    assert (match.arguments_right, match.arguments_total) == (3, 4)
    assert match.why == "f.c: expected 1, got 2"


def test_a_wrong_name_gives_no_credit_for_arguments() -> None:
    match = match_calls([ToolCall("f", {"a": 1})], [ToolCall("g", {"a": 1})], [])
    assert not match.exact and not match.names_equal and not match.pairs
    assert (match.arguments_right, match.arguments_total) == (0, 1)
    assert match.missing == (ToolCall("f", {"a": 1}),)
    assert match.spurious == (ToolCall("g", {"a": 1}),)
    assert match.why == "expected a call of f, got g"


def test_pitfall_8_an_invented_argument_is_counted_and_named() -> None:
    match = match_calls([ToolCall("f", {"a": 1})], [ToolCall("f", {"a": 1, "b": "x"})], [])
    assert not match.exact
    assert (match.arguments_right, match.arguments_total) == (1, 2)
    assert match.why == 'f.b: expected nothing, got "x"'


def test_a_missing_and_a_spurious_call_are_named() -> None:
    call = ToolCall("set_timer", {"minutes": 10})
    assert match_calls([call], [], []).why == 'missing call of set_timer {"minutes": 10}'
    assert match_calls([], [call], []).why == 'unexpected call of set_timer {"minutes": 10}'
    twice = match_calls([call], [call, call], [])
    assert not twice.exact and not twice.names_equal and twice.spurious == (call,)


def test_two_different_calls_may_not_share_one_answer() -> None:
    call = ToolCall("f", {"a": 1})
    match = match_calls([call, call], [call], [])
    assert not match.exact and match.missing == (call,)
    assert (match.arguments_right, match.arguments_total) == (1, 2)


def test_call_ids_do_not_matter() -> None:
    assert match_calls([ToolCall("f", {}, id="1")], [ToolCall("f", {}, id="2")], []).exact


def test_the_schema_of_the_named_tool_is_used() -> None:
    tools = [Tool("f", "", {"properties": {"u": {"default": 1}}}), Tool("g", "", {"properties": {"u": {"default": 2}}})]
    gold = [ToolCall("f", {}), ToolCall("g", {})]
    assert match_calls(gold, [ToolCall("g", {"u": 2}), ToolCall("f", {"u": 1})], tools).exact
    assert not match_calls(gold, [ToolCall("g", {"u": 1}), ToolCall("f", {"u": 2})], tools).exact


def test_many_calls_of_one_tool_are_still_matched_exactly() -> None:
    gold = [ToolCall("f", {"i": i}) for i in range(30)]
    assert match_calls(gold, gold[::-1], []).exact


def test_shown_is_short_and_can_be_encoded() -> None:
    assert len(shown("x" * 500)) == 60
    shown("\ud83d").encode("utf-8")
