"""The JSON inside a row's fields -> tools, arguments and texts; what is wrong is a DataError that names the field."""

from __future__ import annotations

import json
import marshal
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from callwright.data import strict
from callwright.data.files import kind_of
from callwright.errors import DataError, ToolError
from callwright.schema import has_none_filler
from callwright.schema.walk import children
from callwright.tools.jsonfile import tool_from_json, tool_to_json
from callwright.types import JsonObject, Tool, ToolCall

# A few kilobytes each. Real files declare some thousands of different tools, over and over.
_KEPT_TOOLS = 32_768
_KEPT_LISTS = 16_384
_TWICE = "encoded as JSON twice; 'callwright data lint --fix' decodes them"

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Fields:
    """How one `read` decodes fields, and the tools that it has met.

    Equal tools become one object, and equal lists one tuple, so that what is computed for a tool is computed once.
    `lenient` decodes what was encoded more than once instead of refusing it.
    """

    lenient: bool = False
    filled: dict[int, Tool] = field(default_factory=dict)
    """Tools whose schemas held None where nothing was meant, by id: the reader left those out, lint reports them."""
    _tools: OrderedDict[bytes, Tool] = field(default_factory=OrderedDict)
    _lists: OrderedDict[tuple[int, ...], tuple[Tool, ...]] = field(default_factory=OrderedDict)

    def tools(self, raw: Any, where: str, *, python: bool = False) -> tuple[Tool, ...]:
        """Tools as a list, one object, a JSON string of either, or a list of JSON strings; none for null and ""."""
        if isinstance(raw, str):
            raw = self.decoded(raw, "'tools'", where, python=python)
        if raw is None:
            return ()
        if isinstance(raw, dict):
            raw = [raw]
        if not isinstance(raw, list):
            raise DataError(where, f"'tools' is {kind_of(raw)}; it must be a list of tools")
        found = tuple([self._tool(item, i, where) for i, item in enumerate(raw)])
        key = tuple(map(id, found))
        same = self._lists.get(key)
        return same if same is not None else _keep(self._lists, key, found, _KEPT_LISTS)

    def _tool(self, raw: Any, i: int, where: str) -> Tool:
        if isinstance(raw, str):
            raw = self.decoded(raw, f"tools[{i}]", where)
        if not isinstance(raw, dict):
            raise DataError(where, f"tools[{i}] is {kind_of(raw)}; it must be an object with a name")
        try:
            # version 2 has no back references, so that equal values give equal bytes; it is the fastest exact key
            key = marshal.dumps(raw, 2)
        except ValueError as error:
            raise DataError(where, f"tools[{i}] holds a value that is not JSON ({error})") from None
        tool = self._tools.get(key)
        if tool is not None:
            self._tools.move_to_end(key)
            return tool
        if why := strict.too_deep(raw):
            raise DataError(where, f"tools[{i}] is {why}")
        try:
            tool = tool_from_json(raw, f"tools[{i}]")
        except ToolError as error:
            raise DataError(where, str(error)) from None
        if why := _misshapen(tool.parameters):
            raise DataError(where, f"tools[{i}]: tool '{tool.name}': {why}")
        if b"N" in key and has_none_filler(_parameters(raw)):
            self.filled[id(tool)] = tool
        return _keep(self._tools, key, tool, _KEPT_TOOLS)

    def notes(self, tools: Iterable[Tool]) -> tuple[str, ...]:
        """What was repaired in these tools."""
        if not self.filled:
            return ()
        return tuple(
            f"the schema of tool '{tool.name}' is filled with None" for tool in tools if id(tool) in self.filled
        )

    def call(self, raw: Any, what: str, where: str) -> ToolCall:
        """One call: {"name", "arguments"}, or OpenAI's {"id", "type", "function": {"name", "arguments"}}."""
        if not isinstance(raw, dict):
            raise DataError(where, f"{what} is {kind_of(raw)}; it must be an object with a name and arguments")
        inner = raw.get("function")
        body = inner if isinstance(inner, dict) else raw
        name = body.get("name")
        if not isinstance(name, str) or not name:
            raise DataError(where, f"{what} has no name")
        arguments = body["arguments"] if "arguments" in body else body.get("parameters")
        call_id = text(raw.get("id"), f"{what}.id", where)
        return ToolCall(name, self.arguments(arguments, f"{what}.arguments", where), call_id)

    def arguments(self, raw: Any, what: str, where: str) -> JsonObject:
        """Arguments as an object or a JSON string of one; {} for null and ""."""
        if isinstance(raw, dict):
            return raw
        value = self.decoded(raw, what, where) if isinstance(raw, str) else raw
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise DataError(where, f"{what} is {kind_of(value)}; it must be an object")
        return value

    def decoded(self, raw: str, what: str, where: str, *, python: bool = False) -> Any:
        """What a JSON string holds; None for a blank one. `python` also reads what Python's `str` prints for it."""
        if not raw or raw.isspace():
            return None
        value = _decoded(raw, what, where, python=python)
        while isinstance(value, str):
            if not self.lenient:
                raise DataError(where, f"{what}: {_TWICE}")
            value = _decoded(value, what, where, python=python)
        return value


def _misshapen(schema: JsonObject) -> str:
    """What makes a schema, or one inside it, no schema at all; all that renders or checks tools relies on the rest."""
    for key, kind, words in (("properties", dict, "an object"), ("required", list, "a list of names")):
        if not isinstance(schema.get(key, kind()), kind):
            return f"'{key}' is {kind_of(schema[key])}; it must be {words}"
    return next((why for _, child in children(schema) if (why := _misshapen(child))), "")


def _parameters(raw: JsonObject) -> object:
    """The parameters of a raw tool, bare or wrapped."""
    inner = raw.get("function")
    body = inner if isinstance(inner, dict) else raw
    return body.get("parameters", body.get("input_schema"))


def text(raw: Any, what: str, where: str) -> str:
    """A text field: "" for null; a number (an id, say) as it is written."""
    if isinstance(raw, str):
        return raw
    if raw is None:
        return ""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return str(raw)
    raise DataError(where, f"{what} is {kind_of(raw)}; it must be a text")


def tools_json(tools: Iterable[Tool]) -> list[JsonObject]:
    """Tools as our files hold them: name, description and parameters."""
    return [tool_to_json(tool) for tool in tools]


def dump(value: Any, where: str) -> str:
    """Strict JSON text. Raises DataError for what JSON cannot hold: NaN, infinity, dates, ..."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(where, f"cannot be written as JSON: {error}") from None


def _decoded(raw: str, what: str, where: str, *, python: bool) -> Any:
    try:
        return strict.loads(raw)
    except json.JSONDecodeError as error:
        why = f"{what} is not JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError) as error:
        why = f"{what} is not JSON that can be read: {error}"
    if python:
        try:
            return strict.literal(raw)
        except strict.RepeatedKey as error:
            why = f"{what}: {error}"
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            pass
    raise DataError(where, why)


def _keep(kept: OrderedDict[Key, Value], key: Key, value: Value, most: int) -> Value:
    kept[key] = value
    if len(kept) > most:
        kept.popitem(last=False)
    return value
