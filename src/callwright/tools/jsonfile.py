"""Tools written as JSON (OpenAI, Anthropic, Gemini, MCP, xLAM, BFCL, Seal-Tools) -> Tool, and back to OpenAI's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from callwright.errors import ToolError
from callwright.schema import normalise
from callwright.types import JsonObject, Tool

_DECLARATIONS = ("functionDeclarations", "function_declarations")
_SCHEMA_KEYS = ("parameters", "input_schema", "inputSchema")


def tool_from_json(raw: object, where: str) -> Tool:
    """One tool in any of the usual forms.

    OpenAI's bare `{"name", "description", "parameters"}` or wrapped in `{"type": "function", "function": {...}}`;
    Anthropic's `input_schema`; MCP's `inputSchema`; xLAM's flat parameters; no parameters at all. `where` opens the
    message of an error, such as "tools.json: tool 3".

    Raises ToolError where the name or the parameters cannot be used.

    >>> tool_from_json({"name": "get_time", "description": "The time."}, "tools.json: tool 1").parameters
    {'type': 'object', 'properties': {}}
    """
    if not isinstance(raw, dict):
        raise ToolError(f'{where}: is a {type(raw).__name__}, not an object; write it as {{"name": ..., ...}}')
    body = raw["function"] if isinstance(raw.get("function"), dict) else raw
    if "api_name" in body:
        body = _from_seal(body)
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ToolError(f'{where}: has no name (found {name!r}); give it the function\'s name as "name"')
    description = body.get("description")
    if description is not None and not isinstance(description, str):
        raise ToolError(f"{where}: tool '{name}': the description is a {type(description).__name__}; write text")
    written = next((body[key] for key in _SCHEMA_KEYS if body.get(key) is not None), None)
    try:
        parameters = normalise(written)
    except ToolError as error:
        raise ToolError(f"{where}: tool '{name}': {error}") from error
    return Tool(name, description or "", parameters)


def _from_seal(body: JsonObject) -> JsonObject:
    """Seal-Tools' `api_name`, `api_description`, and `required` beside the parameters."""
    parameters = {"type": "object", "properties": body.get("parameters") or {}, "required": body.get("required") or []}
    return {"name": body["api_name"], "description": body.get("api_description"), "parameters": parameters}


def tool_to_json(tool: Tool) -> JsonObject:
    """The bare OpenAI form.

    >>> tool_to_json(Tool("get_time", "The time.", {"type": "object", "properties": {}}))
    {'name': 'get_time', 'description': 'The time.', 'parameters': {'type': 'object', 'properties': {}}}
    """
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def tools_from_json(raw: object, where: str) -> tuple[Tool, ...]:
    """The tools of a list, of an object with a "tools" list (an OpenAI request, an MCP answer), or of one tool.

    Raises ToolError as `tool_from_json`, naming the tool by its place in the list, counted from 1.
    """
    listed: Any = raw.get("tools", raw) if isinstance(raw, dict) else raw
    if isinstance(listed, dict) and any(key in listed for key in ("name", "function", "api_name", *_DECLARATIONS)):
        listed = [listed]
    if not isinstance(listed, list):
        raise ToolError(f'{where}: holds no tools; write a list of tools, or an object with a "tools" list')
    flat = [tool for item in listed for tool in _declared(item)]
    return tuple(tool_from_json(item, f"{where}: tool {i}") for i, item in enumerate(flat, 1))


def _declared(item: object) -> list[Any]:
    """Gemini keeps several functions in one tool; every other form is one tool."""
    if isinstance(item, dict):
        for key in _DECLARATIONS:
            if isinstance(item.get(key), list):
                return list(item[key])
    return [item]


def read_tools(path: Path) -> tuple[Tool, ...]:
    """The tools of a JSON file, or of JSON lines. Raises ToolError where it cannot be read, naming the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.name.endswith(".jsonl"):
            return _of_lines(text, str(path))
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise ToolError(f"{path}:{error.lineno}: is not JSON: {error.msg} at column {error.colno}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(f"{path}: cannot be read: {error}") from error
    return tools_from_json(raw, str(path))


def _of_lines(text: str, where: str) -> tuple[Tool, ...]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append(tool_from_json(json.loads(line), f"{where}:{number}"))
            except json.JSONDecodeError as error:
                raise ToolError(f"{where}:{number}: is not JSON: {error.msg} at column {error.colno}") from error
    return tuple(found)
