"""Arguments are judged by their schema, and a schema by itself."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from callwright.schema import (
    check,
    check_schema,
    normalise,
    validate,
)

DATA = Path(os.environ.get("CALLWRIGHT_DATA") or Path(__file__).parents[3] / "shared" / "data")


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


def test_a_schema_is_compiled_once_however_many_calls_it_judges() -> None:
    validate({"city": "Oslo"}, WEATHER)
    before = check._compile.cache_info()
    for _ in range(1_000):
        assert not validate({"city": "Oslo", "n": 3}, WEATHER)
        assert not validate({"city": "Oslo", "n": 3}, json.loads(json.dumps(WEATHER)))
    assert check._compile.cache_info().misses == before.misses


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
