"""What is written in the wild becomes JSON Schema, once and for all."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.errors import ToolError
from callwright.schema import (
    has_none_filler,
    normalise,
    validate,
)


@pytest.mark.parametrize("empty", [None, {}, {"type": "object"}, {"type": "dict", "properties": None}])
def test_no_parameters(empty: object) -> None:
    assert normalise(empty) == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    "bad", ["str", 3, [], {"type": "string"}, {"city": "str"}, {"type": "object", "properties": [1]}]
)
def test_what_is_no_object_is_an_error(bad: object) -> None:
    with pytest.raises(ToolError):
        normalise(bad)


@pytest.mark.parametrize("name", ["type", "properties", "required", "description", "items", "default", "enum", "title"])
def test_a_flat_parameter_may_have_a_keyword_for_a_name(name: str) -> None:
    assert normalise({name: {"type": "str", "description": "d"}})["properties"] == {
        name: {"type": "string", "description": "d"}
    }
    both = normalise({name: {"type": "str"}, "city": {"type": "int"}})
    assert both["properties"] == {name: {"type": "string"}, "city": {"type": "integer"}}


@pytest.mark.parametrize("name", ["type", "properties", "required", "nullable", "$schema", "default", "items"])
def test_a_property_may_have_a_keyword_for_a_name(name: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    assert normalise(schema) == schema


def test_arrow_filler_goes_and_real_nulls_stay() -> None:
    filled = {
        "type": "object",
        "required": ["a"],
        "additionalProperties": None,
        "properties": {
            "a": {"type": "string", "enum": None, "default": None, "items": None, "properties": None},
            "b": {"type": ["integer", "null"], "enum": None, "default": None},
            "c": {"enum": ["x", None], "const": None},
            "d": {"type": "integer", "default": None, "examples": [None, 1]},
            "e": None,
            "f": {"type": "object", "default": {"k": None}, "properties": {"x": None, "y": {"type": "null"}}},
        },
    }
    before = copy.deepcopy(filled)
    clean = normalise(filled)
    assert clean == {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": "string"},
            "b": {"type": ["integer", "null"], "default": None},
            "c": {"enum": ["x", None], "const": None},
            "d": {"type": "integer", "default": None, "examples": [None, 1]},
            "f": {"type": "object", "default": {"k": None}, "properties": {"y": {"type": "null"}}},
        },
    }
    assert has_none_filler(filled) and not has_none_filler(clean)
    assert filled == before


def test_arrow_filler_in_the_flat_style() -> None:
    flat = {"city": {"type": "str", "default": None, "enum": None}, "other": None}
    assert has_none_filler(flat)
    assert normalise(flat) == {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.mark.parametrize(
    ("written", "schema"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        (
            {"$ref": "#/$defs/A", "nullable": True, "description": "d"},
            {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "description": "d"},
        ),
        ({"anyOf": [{"type": "dict"}], "nullable": True}, {"anyOf": [{"type": "object"}, {"type": "null"}]}),
        ({"type": "dict"}, {"type": "object"}),
        ({"type": "float"}, {"type": "number"}),
        ({"type": "any", "description": "d"}, {"description": "d"}),
        ({"type": "ARRAY", "items": {"type": "STRING"}}, {"type": "array", "items": {"type": "string"}}),
        ({"type": ["STRING", "NULL"]}, {"type": ["string", "null"]}),
        ({"type": "List[str]"}, {"type": "array", "items": {"type": "string"}}),
        ({"type": "array", "items": [{"type": "int"}]}, {"type": "array", "prefixItems": [{"type": "integer"}]}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}),
        ({"allOf": [{"type": "int"}]}, {"allOf": [{"type": "integer"}]}),
        ({"enum": ["STRING", None], "const": {"type": "dict"}}, {"enum": ["STRING", None], "const": {"type": "dict"}}),
    ],
)
def test_other_dialects_of_schema(written: dict, schema: dict) -> None:
    assert normalise({"type": "object", "properties": {"x": written}})["properties"]["x"] == schema


def test_required_flags_move_to_the_object() -> None:
    written = {"type": "object", "properties": {"a": {"type": "string", "required": True}, "b": {"required": False}}}
    assert normalise(written) == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {}},
        "required": ["a"],
    }


def test_definitions_are_kept_and_a_root_reference_is_followed() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    clean = normalise({"$ref": "#/$defs/Node", "$defs": {"Node": node}})
    assert clean["properties"] == node["properties"] and clean["$defs"] == {"Node": node}
    assert validate({"next": {"next": {}}}, clean) == []
    assert validate({"next": {"next": {"nxt": {}}}}, clean)


scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["str", "int, optional", "object", "x", "a b"])
)
keywords = st.sampled_from(
    ["type", "properties", "items", "required", "enum", "default", "const", "nullable", "anyOf", "allOf", "$ref"]
    + ["$defs", "additionalProperties", "minimum", "exclusiveMinimum", "prefixItems", "description", "city", "not"]
)
type_words = st.sampled_from(
    ["object", "dict", "STRING", "integer", "any", "List[str]", "Optional[int]", "Union[List[int], str]", "junk!"]
)
junk = st.recursive(
    scalars | type_words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keywords, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(keywords, junk, max_size=5), st.booleans())
def test_normalise_is_idempotent_whatever_it_reads(raw: dict, whole: bool) -> None:
    if whole:
        raw = (
            {"type": "object", "properties": {"a": raw, "b": raw.get("properties", {})}, **raw.get("$defs", {})}
            if (isinstance(raw.get("$defs", {}), dict))
            else raw
        )
    try:
        once = normalise(raw)
    except ToolError:
        return
    assert normalise(once) == once
    assert json.dumps(normalise(once)) == json.dumps(once)
    assert not has_none_filler(once)
