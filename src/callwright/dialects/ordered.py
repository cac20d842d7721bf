"""Arguments in the order of their schema: a grammar admits no other, so training shows no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from callwright.types import JsonObject, Message, Tool, ToolCall


def in_schema_order(message: Message, tools: Sequence[Tool]) -> Message:
    """The message with the arguments of each call, and of the objects in them, in their schema's order.

    What the schema does not name stands last, as it was. The message itself where nothing moves.
    """
    if not message.calls or not tools:
        return message
    schemas = {tool.name: tool.parameters for tool in tools}
    calls = tuple(_call(call, schemas) for call in message.calls)
    if all(made is call for made, call in zip(calls, message.calls, strict=True)):
        return message
    return replace(message, calls=calls)


def _call(call: ToolCall, schemas: dict[str, JsonObject]) -> ToolCall:
    schema = schemas.get(call.name)
    if not schema:
        return call
    made = _ordered(call.arguments, schema, schema)
    return call if made is call.arguments else replace(call, arguments=made)


def _ordered(value: Any, schema: Any, root: JsonObject) -> Any:
    """The value itself where nothing moves."""
    if not isinstance(schema, dict) or not isinstance(value, dict | list) or not value:
        return value
    if isinstance(value, list):
        items = schema.get("items")
        if not isinstance(items, dict) or not isinstance(value[0], dict | list):
            return value
        made = [_ordered(item, items, root) for item in value]
        return value if all(a is b for a, b in zip(made, value, strict=True)) else made
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return value
    keys = [key for key in properties if key in value]
    if len(keys) < len(value):
        keys += [key for key in value if key not in properties]
    made_items = {key: _ordered(value[key], properties.get(key), root) for key in keys}
    same = all(a == b for a, b in zip(keys, value, strict=True))
    return value if same and all(made_items[key] is value[key] for key in keys) else made_items
