"""schema: what is written in the wild becomes JSON Schema; arguments are judged by it; samples satisfy it."""

from __future__ import annotations

import copy
import gzip
import json
import os
import random
import time
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.errors import ToolError
from callwright.schema import (
    check_schema,
    has_none_filler,
    normalise,
    parameters_from_type_names,
    sample_value,
    validate,
)

DATA = Path(os.environ.get("CALLWRIGHT_DATA") or Path(__file__).parents[2] / "shared" / "data")


def one(spec: dict) -> dict:
    return parameters_from_type_names({"x": spec})["properties"]["x"]


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("str", {"type": "string"}),
        ("int", {"type": "integer"}),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("list", {"type": "array"}),
        ("dict", {"type": "object"}),
        ("tuple", {"type": "array"}),
        ("set", {"type": "array", "uniqueItems": True}),
        ("Any", {}),
        ("None", {"type": "null"}),
        ("List[str]", {"type": "array", "items": {"type": "string"}}),
        ("List[List[int]]", {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}),
        ("Set[str]", {"type": "array", "uniqueItems": True, "items": {"type": "string"}}),
        ("Dict[str, Any]", {"type": "object"}),
        ("Dict[str, float]", {"type": "object", "additionalProperties": {"type": "number"}}),
        ("Optional[int]", {"type": ["integer", "null"]}),
        ("Union[str, int]", {"type": ["string", "integer"]}),
        ("str | None", {"type": ["string", "null"]}),
        (
            "List[Union[int, List[int]]]",
            {
                "type": "array",
                "items": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
            },
        ),
        (
            "Tuple[int, str]",
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        ("Tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
        ("Callable[[float], float]", {}),
        ("np.ndarray", {"type": "array"}),
        ("Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
        ("typing.List[int]", {"type": "array", "items": {"type": "integer"}}),
        ("STRING", {"type": "string"}),
        ("the name of a city", {}),
        ("List[", {}),
        ("", {}),
        ("\\d+", {}),
    ],
)
def test_type_names(text: str, schema: dict) -> None:
    assert one({"type": text, "description": "D"}) == {**schema, "description": "D"}


@pytest.mark.parametrize(
    ("spec", "required"),
    [
        ({"type": "str"}, True),
        ({"type": "str, optional"}, False),
        ({"type": "str (optional)"}, False),
        ({"type": "Optional[str]"}, False),
        ({"type": "str", "default": ""}, False),
        ({"type": "str, default 'x'"}, False),
        ({"type": "Dict[str, int]"}, True),
        ({"type": "str", "required": False}, False),
        ({"description": "no type at all"}, True),
    ],
)
def test_required_unless_optional_or_with_a_default(spec: dict, required: bool) -> None:
    assert ("required" in parameters_from_type_names({"x": spec})) is required


@pytest.mark.parametrize(
    ("spec", "default"),
    [
        ({"type": "int", "default": "10"}, 10),
        ({"type": "int", "default": "ten"}, "ten"),
        ({"type": "int", "default": 10.0}, 10),
        ({"type": "int", "default": ""}, ""),
        ({"type": "float", "default": "0.5"}, 0.5),
        ({"type": "bool", "default": "False"}, False),
        ({"type": "bool", "default": 1}, 1),
        ({"type": "str", "default": "10"}, "10"),
        ({"type": "List[int]", "default": "[1, 2]"}, [1, 2]),
        ({"type": "dict", "default": "{'a': None}"}, {"a": None}),
        ({"type": "str, default 'x'"}, "x"),
        ({"type": "str, default is 'US'"}, "US"),
        ({"type": "int, default: 5"}, 5),
        ({"type": "int, optional, defaults to 5"}, 5),
    ],
)
def test_defaults_are_coerced_only_where_there_is_one_reading(spec: dict, default: object) -> None:
    found = one(spec)["default"]
    assert found == default and type(found) is type(default)


def test_a_default_is_not_shared_between_calls() -> None:
    one({"type": "list, default [1]"})["default"].append(2)
    assert one({"type": "list, default [1]"})["default"] == [1]


# ---- normalise


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


# ---- validate

WEATHER = normalise(
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "n": {"type": "integer", "minimum": 1},
            "unit": {"enum": ["celsius", "kelvin"]},
            "level": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "where": {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]},
            "extra": {"type": "object"},
            "days": {"type": "array", "items": {"type": "string", "format": "date"}},
        },
        "required": ["city"],
    }
)


@pytest.mark.parametrize(
    ("more", "messages"),
    [
        ({}, []),
        ({"n": 5, "unit": "celsius", "level": None, "extra": {"anything": [1]}}, []),
        ({"n": "abc"}, ["argument 'n': 'abc' is not of type 'integer'"]),
        ({"n": 1.5}, ["argument 'n': 1.5 is not of type 'integer'"]),
        ({"n": True}, ["argument 'n': true is not of type 'integer'"]),
        ({"n": 0}, ["argument 'n': 0 is less than the minimum of 1"]),
        ({"citty": 1}, ["unknown argument 'citty'; did you mean 'city'?"]),
        (
            {"unit": "celcius"},
            ["argument 'unit': 'celcius' is not one of 'celsius', 'kelvin'; did you mean 'celsius'?"],
        ),
        ({"level": "x"}, ["argument 'level': 'x' is not of type 'integer' or 'null'"]),
        ({"where": {}}, ["argument 'where': missing required field 'street'"]),
        ({"where": {"street": "s", "stret": 1}}, ["argument 'where': unknown field 'stret'; did you mean 'street'?"]),
        ({"days": ["2024-02-30"]}, ['argument \'days[0]\': "2024-02-30" is not a "date"']),
    ],
)
def test_messages(more: dict, messages: list[str]) -> None:
    assert validate({"city": "Oslo", **more}, WEATHER) == messages


def test_a_missing_argument() -> None:
    assert validate({}, WEATHER) == ["missing required argument 'city'"]


def test_unknown_names_by_what_the_schema_says() -> None:
    closed = {"type": "object", "properties": {"a": {}}}
    assert validate({"b": 1}, closed)
    assert validate({"b": 1}, {"type": "object", "properties": {}})
    assert validate({"b": 1}, {**closed, "additionalProperties": True}) == []
    assert validate({"b": 1}, {**closed, "additionalProperties": {"type": "integer"}}) == []
    assert validate({"b1": 1}, {**closed, "patternProperties": {"^b": {}}}) == []
    assert validate({"b": 1}, {**closed, "allOf": [{"properties": {"b": {}}}]}) == []
    assert validate({"c": 1}, {**closed, "allOf": [{"properties": {"b": {}}}]})
    assert validate({"b": 1}, {**closed, "anyOf": [{"required": ["a"]}, {"properties": {"b": {}}}]}) == []


def test_unknown_names_in_referenced_and_alternative_objects() -> None:
    point = {"type": "object", "properties": {"x": {"type": "integer"}}}
    by_reference = {"type": "object", "properties": {"p": {"$ref": "#/$defs/P"}}, "$defs": {"P": point}}
    assert validate({"p": {"x": 1}}, by_reference) == []
    assert validate({"p": {"y": 1}}, by_reference) == ["argument 'p': unknown field 'y'"]
    by_choice = {"type": "object", "properties": {"p": {"anyOf": [point, {"type": "null"}]}}}
    assert validate({"p": {"x": 1}}, by_choice) == [] and validate({"p": None}, by_choice) == []
    assert validate({"p": {"y": 1}}, by_choice)


@pytest.mark.parametrize(
    ("form", "value", "good"),
    [
        ("time", "10:30", True),
        ("time", "10:30:00Z", True),
        ("time", "half past ten", False),
        ("date-time", "2024-05-01T10:00:00", True),
        ("date-time", "2024-05-01T10:00:00Z", True),
        ("date-time", "tomorrow", False),
        ("email", "a", False),
        ("int32", "what nobody knows", True),
    ],
)
def test_formats(form: str, value: str, good: bool) -> None:
    assert (validate({"x": value}, {"type": "object", "properties": {"x": {"format": form}}}) == []) is good


@pytest.mark.parametrize("arguments", [{"city": float("nan")}, {"city": {1, 2}}, {"city": 10**400}, {1: 2}, [], None])
def test_validate_never_raises(arguments: object) -> None:
    assert validate(arguments, WEATHER)  # type: ignore[arg-type]
    assert isinstance(validate({"city": "\ud800"}, WEATHER), list)


def test_a_broken_schema_is_a_message() -> None:
    for schema in (
        {"type": "int"},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}},
        {"$ref": "http://x.y/z"},
    ):
        assert "schema cannot be used" in validate({}, schema)[0]


def test_equal_schemas_in_other_objects_are_other_entries() -> None:
    for kind, good in (("integer", True), ("string", False)) * 200:
        schema = {"type": "object", "properties": {"n": {"type": kind}}}
        assert (validate({"n": 1}, schema) == []) is good


def test_validation_is_fast_enough_for_60k_rows() -> None:
    start = time.perf_counter()
    for _ in range(60_000):
        validate({"city": "Oslo", "n": 3}, WEATHER)
    assert time.perf_counter() - start < 3


# ---- check_schema


def test_a_good_schema_has_no_problems() -> None:
    assert check_schema(WEATHER) == []


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"type": "int"}, "int"),
        ({"enum": []}, "enum is empty"),
        ({"enum": ["a"], "type": "integer"}, "enum value 'a'"),
        ({"type": "integer", "default": "x"}, "default 'x'"),
        ({"minimum": 3, "maximum": 1}, "minimum 3 is above maximum 1"),
        ({"$ref": "#/$defs/none"}, "points nowhere"),
        ({"pattern": "("}, "regex"),
        ({"type": "object", "properties": {"street": {}}, "required": ["stret"]}, "did you mean 'street'?"),
        ({"items": None}, "null-filled"),
        ({"type": "array", "items": {"type": "integer", "default": "x"}}, "properties/x/items: default"),
    ],
)
def test_problems_of_a_schema(part: dict, message: str) -> None:
    assert message in " | ".join(check_schema({"type": "object", "properties": {"x": part}}))


def test_a_null_default_is_no_problem() -> None:
    assert check_schema({"type": "object", "properties": {"x": {"type": "integer", "default": None}}}) == []


# ---- sample_value


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
    "schema",
    [
        {"enum": []},
        {"type": "string", "pattern": "^[A-Z]{3}$"},
        {"type": "int"},
        {"$ref": "#/$defs/none"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    ],
)
def test_no_value_is_an_error(schema: dict) -> None:
    with pytest.raises(ToolError):
        sample_value(schema, random.Random(0))


# ---- real data


def test_xlam_shaped_rows_read_and_validate() -> None:
    path = DATA / "raw" / "xlam" / "xlam_shape.json.gz"
    if not path.exists():
        pytest.skip(f"no real data at {DATA}; set CALLWRIGHT_DATA")
    rows = json.loads(gzip.decompress(path.read_bytes()))
    wrong, cache = 0, {}
    for row in rows[:1000]:
        tools = cache.setdefault(
            row["tools"], {t["name"]: normalise(t["parameters"]) for t in json.loads(row["tools"])}
        )
        assert not any(
            problem for schema in tools.values() for problem in check_schema(schema) if "default" not in problem
        )
        for call in json.loads(row["answers"]):
            wrong += bool(validate(call["arguments"], tools[call["name"]]))
    assert wrong < 100
