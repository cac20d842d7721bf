"""Whether two calls say the same, by JSON type."""

from __future__ import annotations

import json

from callwright.types import ToolCall


def same_arguments(a: ToolCall, b: ToolCall) -> bool:
    """Equal by JSON type, whatever the order of keys: 1, 1.0 and true differ.

    >>> same_arguments(ToolCall("f", {"a": 1, "b": 2}), ToolCall("f", {"b": 2, "a": 1}))
    True
    >>> same_arguments(ToolCall("f", {"a": 1}), ToolCall("f", {"a": True}))
    False
    """
    if repr(a.arguments) == repr(b.arguments):
        return True
    return json.dumps(a.arguments, sort_keys=True) == json.dumps(b.arguments, sort_keys=True)
