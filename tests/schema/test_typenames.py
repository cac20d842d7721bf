"""Parameters written as Python type names become JSON Schema."""

from __future__ import annotations

import pytest

from callwright.schema import (
    parameters_from_type_names,
)


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
