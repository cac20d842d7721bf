"""An MCP server, by stdio or streamable HTTP, through the official SDK -> its tools, and calls of them."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from callwright.errors import MissingExtra, ToolError
from callwright.tools.jsonfile import tool_from_json
from callwright.types import JsonObject, Tool

SECONDS = 30.0
"""How long a server may take to answer."""

T = TypeVar("T")


def mcp_tools(server: str, env: Mapping[str, str] | None = None) -> tuple[Tool, ...]:
    """All tools of a server: a URL (streamable HTTP), or the command line that starts it (stdio).

    A command is run as it stands, without a shell. Raises ToolError where the server cannot be reached, fails or takes
    longer than SECONDS; MissingExtra without the SDK.
    """

    raw = _run(server, env, listed)
    return tuple(tool_from_json(_json(tool), f"{server}: tool {i}") for i, tool in enumerate(raw, 1))


async def listed(client: Any) -> list[Any]:
    """All tools that a connected server lists, page by page."""
    page = await client.list_tools()
    found = [*page.tools]
    while page.next_cursor:
        page = await client.list_tools(cursor=page.next_cursor)
        found += page.tools
    return found


def mcp_call(server: str, name: str, arguments: JsonObject, env: Mapping[str, str] | None = None) -> str:
    """Calls one tool and gives the text of its result. Raises ToolError also for a result that is an error."""

    async def called(client: Any) -> Any:
        return await client.call_tool(name, arguments)

    result = _run(server, env, called)
    text = "\n".join(part.text for part in result.content if getattr(part, "type", "") == "text")
    if result.is_error:
        raise ToolError(f"{server}: '{name}' failed: {text or 'no reason given'}")
    return text


def _json(tool: Any) -> JsonObject:
    dumped: JsonObject = tool.model_dump(by_alias=True, exclude_none=True)
    return dumped


def _run(server: str, env: Mapping[str, str] | None, work: Callable[[Any], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with asyncio.timeout(SECONDS), client_of(server, env) as client:
            return await work(client)

    try:
        return asyncio.run(connected())
    except TimeoutError:
        raise ToolError(f"{server}: the MCP server did not answer within {SECONDS:.0f} seconds") from None
    except (ToolError, MissingExtra):
        raise
    except Exception as error:  # the SDK raises groups of whatever its tasks raised
        raise ToolError(f"{server}: the MCP server failed: {reason_of(error)}") from error


def reason_of(error: BaseException) -> str:
    """The first line of what went wrong, out of the groups that the SDK raises."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def client_of(server: str, env: Mapping[str, str] | None) -> Any:
    """The SDK's client of a server, not yet connected. Raises ToolError, MissingExtra."""
    try:
        from mcp import Client, StdioServerParameters
    except ImportError:
        raise MissingExtra("mcp", "mcp") from None
    if server.startswith(("http://", "https://")):
        return Client(server)
    try:
        command, *arguments = shlex.split(server)
    except ValueError:
        raise ToolError(f"mcp:{server}: names no server; write mcp:https://HOST/mcp or mcp:COMMAND ARGUMENTS") from None
    if shutil.which(command, path=(env or {}).get("PATH")) is None:
        raise ToolError(f"mcp:{server}: there is no command '{command}'; give its path, or a URL with http://")
    return Client(StdioServerParameters(command=command, args=arguments, env={**os.environ, **env} if env else None))
