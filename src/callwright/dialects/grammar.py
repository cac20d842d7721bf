"""Tools + choice -> a Lark grammar in llguidance's syntax, for the dialects whose calls are JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from callwright.dialects.base import ToolChoice
from callwright.types import Tool


def _call_schema(tool: Tool) -> str:
    """One call object: name fixed, arguments by the tool's schema. `$defs` move to the root that `$ref` points from."""
    parameters = {k: v for k, v in tool.parameters.items() if k not in ("$defs", "definitions")}
    parameters.setdefault("type", "object")
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": parameters},
        "required": ["name", "arguments"],
        "additionalProperties": False,
        "x-guidance": {"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False},
    }
    for key in ("$defs", "definitions"):
        if key in tool.parameters:
            schema[key] = tool.parameters[key]
    return json.dumps(schema, ensure_ascii=False)


def _rules(tools: Sequence[Tool]) -> str:
    lines = [f"call{i}: %json {_call_schema(tool)}" for i, tool in enumerate(tools)]
    return "\n".join(["call: " + " | ".join(f"call{i}" for i in range(len(tools))), *lines])


def _free_text(opening: str) -> str:
    """Text that never opens a call."""
    return f"TEXT: /(?s:.+)/ & ~/(?s:.*){opening}(?s:.*)/"


def hermes_grammar(tools: Sequence[Tool], choice: ToolChoice) -> str:
    """`<tool_call>` blocks, one or more; `auto` also admits text before them or alone; `none` only text."""
    text = _free_text("<tool_call>")
    if choice == "none" or not tools:
        return f"start: TEXT?\n{text}\n"
    blocks = 'calls: block ("\\n" block)*\nblock: "<tool_call>\\n" call "\\n</tool_call>"\n' + _rules(tools)
    if choice == "required":
        return f"start: calls\n{blocks}\n"
    return f'start: TEXT | calls | TEXT "\\n" calls\n{blocks}\n{text}\n'


def xlam_grammar(tools: Sequence[Tool], choice: ToolChoice) -> str:
    """One `<calls>` block, a call a line; `auto` also admits an empty block, or text before it or alone."""
    text = _free_text("<calls>")
    empty = '"<calls></calls>"'
    if choice == "none" or not tools:
        return f"start: TEXT | {empty}\n{text}\n"
    blocks = 'calls: "<calls>" call ("\\n" call)* "</calls>"\n' + _rules(tools)
    if choice == "required":
        return f"start: calls\n{blocks}\n"
    return f"start: TEXT | {empty} | calls | TEXT calls\n{blocks}\n{text}\n"
