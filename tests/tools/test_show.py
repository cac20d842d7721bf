"""What `tools show` prints of a tool, and how sources are chosen from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from callwright.dialects import dialect_for
from callwright.dialects.costs import costs_of
from callwright.errors import ToolError
from callwright.tools import load_tools
from callwright.tools.show import details_of, signature_of
from callwright.types import Tool

NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "name": {"type": "string"}}}
TOOL = Tool(
    "f",
    "Do.",
    {
        "type": "object",
        "properties": {
            "unit": {"enum": ["c", "k"], "description": "Which unit."},
            "pets": {
                "type": "array",
                "items": {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]},
            },
            "node": {"$ref": "#/$defs/Node"},
        },
        "required": ["unit"],
        "$defs": {"Node": NODE},
    },
)


def test_objects_are_opened_field_by_field_and_a_type_inside_itself_once() -> None:
    assert signature_of(TOOL) == 'f(unit: "c"|"k", pets?: object[], node?: Node)'
    assert list(details_of(TOOL)) == [
        ("unit", "Which unit."),
        ("pets[].age: integer", ""),
        ("node.next?: Node", ""),
        ("node.name?: string", ""),
    ]


@pytest.mark.parametrize("dialect", ["hermes", "xlam"])
def test_costs_are_what_a_tool_adds(tokenizer: Any, dialect: str) -> None:
    written = dialect_for(dialect, tokenizer)
    other = Tool("g", "", {"type": "object", "properties": {}})
    both, alone = costs_of([TOOL, other], written, tokenizer), costs_of([TOOL], written, tokenizer)
    assert both.of_tool[0] > both.of_tool[1] > 0
    assert both.prompt == alone.prompt + both.of_tool[1]
    assert abs(alone.of_tool[0] - both.of_tool[0]) <= 2, "a tool costs the same alone, but for where tokens are cut"


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("mcp:", "names no server; write mcp:https://HOST/mcp"),
        ("mcp:no_such_command_here x", "there is no command 'no_such_command_here'"),
        ("notes.md", "is not a source of tools"),
        ("tools.json#name=g", "no tool 'g'"),
        ("tools.json#nam=f", "did you mean 'name'"),
        ("api.json#tag=a&method=post", "none fits all"),
    ],
)
def test_errors_say_what_to_write(spec: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.md").write_text("notes")
    Path("tools.json").write_text(json.dumps([{"name": "f"}]))
    paths = {"/x": {"get": {"tags": ["a"]}, "post": {"tags": ["b"]}}}
    Path("api.json").write_text(json.dumps({"openapi": "3.0.0", "paths": paths}))
    with pytest.raises(ToolError, match=why):
        load_tools(spec)


def test_tools_of_a_server_are_chosen_by_name(tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    (tmp_path / "server.py").write_text(
        "from mcp.server.mcpserver import MCPServer\n"
        "server = MCPServer('x')\n"
        "@server.tool()\ndef add(a: int) -> int:\n    return a\n"
        "@server.tool()\ndef price(item: str) -> str:\n    return item\n"
        "server.run(transport='stdio')\n"
    )
    (tool,) = load_tools(f"mcp:{sys.executable} {tmp_path / 'server.py'}#name=price")
    assert tool.name == "price"
