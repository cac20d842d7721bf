"""Tools that run for real: functions in a process apart, a service on loopback, a GraphQL endpoint, an MCP server."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from callwright.agent.http import request_of
from callwright.agent.toolbox import Bound, Toolbox, open_tools
from callwright.errors import ToolError
from callwright.synth.execute import Limits, Result
from callwright.tools.openapi import operations
from callwright.types import JsonObject, Tool, ToolCall

FUNCTIONS = '''
count = 0

def look(place: str) -> str:
    """Look somewhere."""
    return f"nothing in {place}"

look.effect = "read"

def add(n: int) -> int:
    """Add to a counter."""
    global count
    count += n
    return count

def hang() -> str:
    """Never ends."""
    while True:
        pass

def delete_all() -> str:
    """Deletes everything."""
    raise RuntimeError("no")
'''


def test_python_functions_run_apart_and_keep_their_state(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(FUNCTIONS)
    with open_tools(str(tmp_path / "f.py"), limits=Limits(call_seconds=1.0)) as box:
        assert box.effects == {"look": "read", "add": "change", "hang": "change", "delete_all": "destroy"}
        calls = [ToolCall("add", {"n": 2}), ToolCall("add", {"n": 3}), ToolCall("look", {"place": "a"})]
        assert [result.value for result in box.run([(call, "") for call in calls])] == [2, 5, "nothing in a"]
        (failed, hung, unknown) = box.run([(ToolCall(name, {}), "") for name in ("delete_all", "hang", "nosuch")])
        assert failed.error == "RuntimeError: no"
        assert "no result within 1 seconds" in hung.error
        assert "there is no tool 'nosuch'" in unknown.error


def test_what_nothing_runs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("[]")
    with pytest.raises(ToolError, match="nothing runs"):
        open_tools(str(tmp_path / "t.json"))
    one = Bound(Tool("a", "", {}), "read", lambda call, key: Result(1))
    with pytest.raises(ToolError, match="two tools are named 'a'"):
        Toolbox([one]).joined(Toolbox([one]))


DOCUMENT: JsonObject = {
    "openapi": "3.0.0",
    "info": {"title": "shop", "version": "1"},
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
    "paths": {
        "/items/{id}": {
            "get": {
                "operationId": "get_item",
                "summary": "One item.",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"name": "tags", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "full", "in": "query", "schema": {"type": "boolean"}},
                ],
            },
            "delete": {
                "operationId": "remove_item",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            },
        },
        "/orders": {
            "post": {
                "operationId": "fill_basket",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"item": {"type": "string"}, "count": {"type": "integer"}},
                                "required": ["item"],
                            }
                        }
                    },
                },
            }
        },
    },
}
SCHEMA = "type Query { item(id: ID!): Item } type Mutation { rename(id: ID!): Item } type Item { id: ID! name: String }"


class Shop(BaseHTTPRequestHandler):
    """Answers, and remembers what it was asked."""

    asked: list[JsonObject]

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        self.asked.append(
            {
                "method": self.command,
                "path": url.path,
                "query": parse_qs(url.query),
                "body": json.loads(body) if body else None,
                "key": self.headers.get("X-Key"),
                "bearer": self.headers.get("Authorization"),
                "once": self.headers.get("Idempotency-Key"),
            }
        )
        status, said = 200, json.dumps({"ok": True})
        if url.path.endswith("/gone"):
            status, said = 404, "no such item"
        if url.path.endswith("/moved"):
            status, said = 302, ""
        if url.path == "/graphql":
            said = json.dumps({"data": {"item": {"id": "1"}}})
            if "rename" in self.asked[-1]["body"]["query"]:
                said = json.dumps({"errors": [{"message": "sold out"}]})
        if url.path.endswith("/huge"):
            said = "x" * (2 << 20)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/steal")
        self.send_header("Content-Length", str(len(said.encode())))
        self.end_headers()
        self.wfile.write(said.encode())

    do_GET = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[tuple[str, list[JsonObject]]]:
    asked: list[JsonObject] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Asked", (Shop,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


def test_openapi_operations_are_requests(
    shop: tuple[str, list[JsonObject]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked = shop
    monkeypatch.setenv("CALLWRIGHT_AUTH_KEY", "s3cret")
    (tmp_path / "shop.json").write_text(json.dumps({**DOCUMENT, "servers": [{"url": url}]}))
    with open_tools(str(tmp_path / "shop.json")) as box:
        assert box.effects == {"get_item": "read", "remove_item": "destroy", "fill_basket": "change"}
        calls = [
            ToolCall("get_item", {"id": "a/../b?c", "tags": ["x", "y"], "full": True}),
            ToolCall("fill_basket", {"item": "tea", "count": 2}),
            ToolCall("remove_item", {"id": "7"}),
        ]
        results = box.run([(call, f"key{n}") for n, call in enumerate(calls)])
        assert [result.value for result in results] == [{"ok": True}] * 3
        got, made, removed = asked
        assert (got["path"], got["query"]) == ("/items/a%2F..%2Fb%3Fc", {"tags": ["x", "y"], "full": ["true"]})
        assert (made["method"], made["path"], made["body"]) == ("POST", "/orders", {"item": "tea", "count": 2})
        assert (got["once"], made["once"], removed["once"]) == (None, "key1", "key2")
        assert {one["key"] for one in asked} == {"s3cret"}
        lost = [box.run([(ToolCall("get_item", {"id": name}), "")])[0] for name in ("gone", "moved", "huge", "..")]
        assert [one.error for one in lost] == [
            "HTTP 404: no such item",
            "HTTP 302",
            "the answer has more than 1,048,576 bytes",
            "'id' must be a name in a path, not '..'",
        ]


def test_a_service_without_an_address(tmp_path: Path) -> None:
    (tmp_path / "shop.json").write_text(json.dumps(DOCUMENT))
    with pytest.raises(ToolError, match="names no address"):
        open_tools(str(tmp_path / "shop.json"))
    with pytest.raises(ToolError, match="is no address"):
        open_tools(str(tmp_path / "shop.json"), url="file:///etc/passwd")
    (tmp_path / "s.graphql").write_text(SCHEMA)
    with pytest.raises(ToolError, match="names no address"):
        open_tools(str(tmp_path / "s.graphql"))
    with open_tools(str(tmp_path / "shop.json"), url="http://127.0.0.1:1") as box:
        assert "ConnectError" in box.run([(ToolCall("get_item", {"id": "a"}), "")])[0].error


def test_graphql_fields_are_requests(
    shop: tuple[str, list[JsonObject]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("graphql", reason="graphql-core is not installed: pip install 'callwright[graphql]'")
    url, asked = shop
    monkeypatch.setenv("CALLWRIGHT_AUTH", "t0ken")
    (tmp_path / "s.graphql").write_text(SCHEMA)
    with open_tools(str(tmp_path / "s.graphql"), url=f"{url}/graphql") as box:
        assert box.effects == {"item": "read", "rename": "change"}
        item, bought = box.run([(ToolCall("item", {"id": "1"}), "a"), (ToolCall("rename", {"id": "1"}), "b")])
    assert item.value == {"item": {"id": "1"}}
    assert bought.error == "sold out"
    assert asked[0]["body"] == {"query": "query item($id: ID!) { item(id: $id) { id name } }", "variables": {"id": "1"}}
    assert (asked[0]["bearer"], asked[0]["once"], asked[1]["once"]) == ("Bearer t0ken", None, "b")


def test_headers_take_no_line_breaks() -> None:
    document = {
        **DOCUMENT,
        "paths": {
            "/x": {
                "get": {
                    "parameters": [
                        {"name": "X-A", "in": "header", "required": True, "schema": {"type": "string"}},
                    ]
                }
            }
        },
    }
    (one,) = operations(document, "d")
    assert request_of(one, {"X-A": "fine"}) == ("/x", {"headers": {"X-A": "fine"}})
    with pytest.raises(ToolError, match="line break"):
        request_of(one, {"X-A": "a\r\nX-Admin: 1"})
    with pytest.raises(ToolError, match="is no parameter"):
        request_of(one, {"X-B": "a"})


MCP = """
from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("counter")
count = 0

@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def value() -> int:
    return count

@server.tool(annotations=ToolAnnotations(destructiveHint=False, idempotentHint=True))
def add(n: int) -> str:
    global count
    if n < 0:
        raise ValueError("never down")
    count += n
    return f"now {count}"

@server.tool()
def reset() -> str:
    return "reset"

server.run(transport="stdio")
"""


def test_an_mcp_server_keeps_its_state(tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install 'callwright[mcp]'")
    (tmp_path / "server.py").write_text(MCP)
    with open_tools(f"mcp:{sys.executable} {tmp_path / 'server.py'}") as box:
        assert box.effects == {"value": "read", "add": "change", "reset": "destroy"}
        assert (box.bound("add").repeats, box.bound("reset").repeats) == (True, False)
        calls = [
            ToolCall("add", {"n": 2}),
            ToolCall("add", {"n": 3}),
            ToolCall("value", {}),
            ToolCall("add", {"n": -1}),
        ]
        results = box.run([(call, "") for call in calls])
        assert [result.text for result in results[:3]] == ["now 2", "now 5", "5"]
        assert "Error executing tool add" in results[3].error
    with pytest.raises(ToolError, match="has no tool 'multiply'"):
        open_tools(f"mcp:{sys.executable} {tmp_path / 'server.py'}#name=multiply")
    with pytest.raises(ToolError, match="no command"):
        open_tools("mcp:no-such-command-here")
