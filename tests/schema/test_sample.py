"""Sampled values satisfy the schema that they are drawn from."""

from __future__ import annotations

import json
import random

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.errors import ToolError
from callwright.schema import (
    sample_value,
)


def limits(low: str, high: str, numbers: st.SearchStrategy) -> st.SearchStrategy:
    """Any of the two limits, never crossed."""
    pair = st.tuples(numbers, numbers).map(sorted)
    return pair.flatmap(lambda p: st.sampled_from([{}, {low: p[0]}, {high: p[1]}, {low: p[0], high: p[1]}]))


def typed(kind: str, *extras: st.SearchStrategy) -> st.SearchStrategy:
    return st.tuples(*extras).map(lambda parts: {"type": kind, **{k: v for part in parts for k, v in part.items()}})


leaves = st.one_of(
    st.just({}),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"const": None}, {"enum": [1, "a", None]}]),
    st.sampled_from(["date", "time", "date-time", "email", "uri", "uuid"]).map(
        lambda f: {"type": "string", "format": f}
    ),
    typed("integer", limits("minimum", "maximum", st.integers(-50, 50))),
    typed("integer", limits("exclusiveMinimum", "minimum", st.integers(-50, 50))),
    st.integers(1, 9).map(lambda n: {"type": "integer", "multipleOf": n, "minimum": -20, "maximum": 20}),
    typed("number", limits("minimum", "maximum", st.floats(-1e3, 1e3))),
    typed("string", limits("minLength", "maxLength", st.integers(0, 40))),
    st.lists(st.sampled_from(["string", "integer", "null", "array", "object"]), min_size=1, unique=True).map(
        lambda kinds: {"type": kinds}
    ),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda s: {"anyOf": s}),
        inner.map(lambda s: {"allOf": [s, {"description": "d"}]}),
        typed("array", limits("minItems", "maxItems", st.integers(0, 5)), inner.map(lambda s: {"items": s})),
        st.lists(inner, min_size=1, max_size=3).map(lambda s: {"type": "array", "prefixItems": s, "minItems": len(s)}),
        st.tuples(st.dictionaries(st.sampled_from("abcd"), inner), st.sets(st.sampled_from("abcd"))).map(
            lambda p: {"type": "object", "properties": p[0], "required": sorted(p[1] & p[0].keys())}
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(schemas, st.integers(0, 2**32))
def test_a_sample_satisfies_its_schema(schema: dict, seed: int) -> None:
    value = sample_value(schema, random.Random(seed))
    assert jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(value)
    assert json.dumps(value) == json.dumps(sample_value(schema, random.Random(seed)))


@pytest.mark.parametrize(
    "schema",
    [
        {"oneOf": [{"type": "integer"}, {"type": "number"}, {"type": "string"}]},
        {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 3},
        {"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["OSL"]},
        {"type": "string", "pattern": "^[A-Z]{3}$", "default": "OSL"},
        {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
        {"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"required": ["b"]}]},
        {"$ref": "#/$defs/N", "$defs": {"N": {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}}}},
        {
            "$ref": "#/$defs/T",
            "$defs": {
                "T": {
                    "type": "object",
                    "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/T"}}},
                    "required": ["kids"],
                }
            },
        },
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
        {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    ],
)
def test_samples_of_harder_schemas(schema: dict) -> None:
    validator = jsonschema_rs.Draft202012Validator(schema)
    for seed in range(30):
        assert validator.is_valid(sample_value(schema, random.Random(seed)))


def test_a_part_is_sampled_with_the_definitions_of_its_root() -> None:
    root = {"$defs": {"Unit": {"enum": ["c", "k"]}}, "properties": {"u": {"$ref": "#/$defs/Unit"}}}
    assert sample_value(root["properties"]["u"], random.Random(0), root) in ("c", "k")


@pytest.mark.parametrize(
    "pattern", ["^[A-Z]{3}-\\d{2,}$", "^a+b*?c$", "[+*]{2}\\+", "^\\+?[1-9]\\d{1,14}$", "^(foo|bar)+$", "^\\p{L}$|x"]
)
def test_patterns(pattern: str) -> None:
    schema = {"type": "string", "pattern": pattern, **({"examples": ["x"]} if "\\p" in pattern else {})}
    for seed in range(20):
        assert len(sample_value(schema, random.Random(seed))) < 100


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": []},
        {"type": "string", "pattern": "^[A-Z]{3}$", "maxLength": 2},
        {"type": "int"},
        {"$ref": "#/$defs/none"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    ],
)
def test_no_value_is_an_error(schema: dict) -> None:
    with pytest.raises(ToolError):
        sample_value(schema, random.Random(0))
