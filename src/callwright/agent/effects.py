"""What a tool does to the world, as its source declares it: reads, changes, or destroys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from callwright.score.attacks import MARK, is_destructive
from callwright.types import JsonObject, Tool

Effect = Literal["read", "change", "destroy"]
"""read: may be called again and again. change: can be set right. destroy: cannot, or costs."""

EFFECTS: tuple[Effect, ...] = ("read", "change", "destroy")
KEY = "x-effect"
"""The key of a tool's `parameters`, and `effect` the attribute of a Python function, that declare it."""

_SAFE_METHODS = frozenset({"get", "head", "options", "trace"})


def declared_effect(tool: Tool, given: Any = None) -> Effect:
    """As declared by `given` or by a key of the parameters. Nothing declared: a change, which is asked for; or worse,
    where the words of the tool say so. A name that sounds like reading is no declaration.

    >>> declared_effect(Tool("get_time", "", {})), declared_effect(Tool("get_time", "", {"x-effect": "read"}))
    ('change', 'read')
    >>> declared_effect(Tool("delete_all", "Deletes all files.", {}))
    'destroy'
    """
    said = given if given in EFFECTS else tool.parameters.get(KEY)
    if said in EFFECTS:
        return said  # type: ignore[no-any-return]
    if tool.parameters.get(MARK) is True:
        return "destroy"
    return "destroy" if is_destructive(tool) else "change"


def effect_of_method(tool: Tool, method: str) -> Effect:
    """Of an HTTP request (RFC 9110: GET, HEAD, OPTIONS and TRACE are safe). DELETE destroys.

    >>> effect_of_method(Tool("pets", "", {}), "get"), effect_of_method(Tool("pets", "", {}), "delete")
    ('read', 'destroy')
    """
    if tool.parameters.get(KEY) in EFFECTS:
        return declared_effect(tool)
    if method.lower() in _SAFE_METHODS:
        return "read"
    return "destroy" if method.lower() == "delete" else declared_effect(tool)


def effect_of_annotations(tool: Tool, annotations: Mapping[str, Any] | JsonObject | None) -> Effect:
    """Of an MCP tool: `readOnlyHint`, and `destructiveHint`, which the protocol takes for true where it is not given.

    >>> effect_of_annotations(Tool("t", "", {}), {"readOnlyHint": True}), effect_of_annotations(Tool("t", "", {}), {})
    ('read', 'destroy')
    """
    hints = annotations or {}
    if hints.get("readOnlyHint") is True:
        return "read"
    return "destroy" if hints.get("destructiveHint", True) is not False or is_destructive(tool) else "change"
