"""A real MCP server, the SDK's own, over stdio and over HTTP: its tools are listed, and a sampled call executes."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callwright.errors import ToolError
from callwright.schema import validate
from callwright.tools import load_tools
from callwright.tools.mcp import mcp_call, mcp_tools

pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install 'callwright[mcp]'")

SERVER = '''
import sys
from typing import Literal
from mcp.server.mcpserver import MCPServer

server = MCPServer("shop")

@server.tool()
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b

@server.tool()
def price(item: Literal["tea", "milk"]) -> str:
    """The price of an item."""
    if item == "milk":
        raise ValueError("sold out")
    return "2.50"

server.run(transport=sys.argv[1], **({"port": int(sys.argv[2])} if len(sys.argv) > 2 else {}))
'''


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mcp") / "server.py"
    path.write_text(SERVER)
    return path


@pytest.fixture(scope="module")
def url(script: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(script), "streamable-http", str(port)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def check(server: str) -> None:
    add, price = mcp_tools(server)
    assert (add.name, add.description, add.parameters["required"]) == ("add", "Add two numbers.", ["a"])
    assert price.parameters["properties"]["item"]["enum"] == ["tea", "milk"]
    assert validate({"a": 2, "b": 3}, add.parameters) == []
    assert mcp_call(server, "add", {"a": 2, "b": 3}) == "5"
    assert mcp_call(server, "price", {"item": "tea"}) == "2.50"
    with pytest.raises(ToolError, match="'price' failed: "):
        mcp_call(server, "price", {"item": "milk"})


def test_stdio(script: Path) -> None:
    check(f"{sys.executable} {script} stdio")
    assert [tool.name for tool in load_tools(f"mcp:{sys.executable} {script} stdio")] == ["add", "price"]


def test_streamable_http(url: str) -> None:
    check(url)


def test_a_server_that_cannot_be_reached_is_an_error() -> None:
    for server in ("http://127.0.0.1:9/mcp", f"{sys.executable} -c pass"):
        with pytest.raises(ToolError, match="the MCP server failed"):
            mcp_tools(server)
    with pytest.raises(ToolError, match="there is no command 'no-such-command-anywhere'"):
        mcp_tools("no-such-command-anywhere")
