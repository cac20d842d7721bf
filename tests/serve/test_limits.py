"""Schemas of a request: what is refused, and why; references are followed once."""

from __future__ import annotations

from typing import Any

import pytest

from callwright.serve.limits import Limits, check_schema
from callwright.serve.refusal import RefusalError


def chain(length: int, last: Any) -> dict[str, Any]:
    """References to references, `length` of them."""
    links = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(length)}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**links, f"d{length}": last}}


def test_references_that_end_are_followed() -> None:
    check_schema(chain(100, {"type": "string"}), "here", Limits())


@pytest.mark.parametrize("back", [0, 50, 100])
def test_references_that_lead_back_say_nothing(back: int) -> None:
    with pytest.raises(RefusalError, match="refers to itself"):
        check_schema(chain(100, {"$ref": f"#/$defs/d{back}"}), "here", Limits())


def test_a_tree_that_holds_itself_is_no_endless_reference() -> None:
    node = {"type": "object", "properties": {"left": {"$ref": "#/$defs/d1"}, "value": {"type": "integer"}}}
    check_schema(chain(1, node), "here", Limits())


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "string", "pattern": "a" * 513}, "pattern: longer than 512"),
        ({"enum": [str(n) for n in range(5001)]}, "enum: 5,001 choices"),
        ({"type": "array", "minItems": 10**6}, "minItems: 1000000; at most"),
        ({"description": "x" * 200_001}, "longer than 200,000 characters"),
    ],
)
def test_what_would_take_too_much_is_refused(schema: Any, why: str) -> None:
    with pytest.raises(RefusalError, match=why):
        check_schema({"type": "object", "properties": {"a": schema}}, "here", Limits())
