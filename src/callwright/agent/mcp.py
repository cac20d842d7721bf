"""An MCP server -> tools that are run in one session with it, which keeps the server's state between calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

from callwright.agent.effects import effect_of_annotations
from callwright.agent.toolbox import Bound, Toolbox
from callwright.errors import CallwrightError, ToolError
from callwright.synth.execute import Result
from callwright.tools.jsonfile import tool_from_json
from callwright.tools.mcp import SECONDS, client_of, listed, reason_of
from callwright.types import ToolCall


class Session:
    """A connection that stays open, in a thread with a loop of its own. Raises ToolError where it cannot be made."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._client: Any = None
        self._ready: Future[None] = Future()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="mcp", daemon=True)
        self._thread.start()
        try:
            self._ready.result(SECONDS)
        except TimeoutError:
            raise ToolError(f"{server}: the MCP server did not answer within {SECONDS:.0f} seconds") from None

    def ask(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """What the server answers. Raises ToolError, for a server that has ended too."""

        async def done() -> Any:
            async with asyncio.timeout(SECONDS):
                return await work(self._client)

        if not self._thread.is_alive():
            raise ToolError(f"{self._server}: the MCP server has ended")
        try:
            return asyncio.run_coroutine_threadsafe(done(), self._loop).result(SECONDS + 5)
        except TimeoutError:
            raise ToolError(f"{self._server}: the MCP server did not answer within {SECONDS:.0f} seconds") from None
        except CallwrightError:
            raise
        except Exception as error:  # the SDK raises groups of whatever its tasks raised
            raise ToolError(f"{self._server}: the MCP server failed: {reason_of(error)}") from error

    def close(self) -> None:
        """Ends the connection, and a server that was started by a command."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._connected())
        except BaseException as error:
            if not self._ready.done():
                known = isinstance(error, CallwrightError)
                why = error if known else ToolError(f"{self._server}: the MCP server failed: {reason_of(error)}")
                self._ready.set_exception(why)
        finally:
            self._loop.close()

    async def _connected(self) -> None:
        async with client_of(self._server, None) as client:
            self._client = client
            self._ready.set_result(None)
            await self._over.wait()


def toolbox(spec: str) -> Toolbox:
    """The tools of `mcp:SERVER`, all or those of `#name=a,b`. Raises ToolError, MissingExtra."""
    server, _, wanted = spec.removeprefix("mcp:").partition("#name=")
    session = Session(server)
    try:
        return Toolbox(
            _bound(session, server, {name.strip() for name in wanted.split(",") if name.strip()}), [session.close]
        )
    except BaseException:
        session.close()
        raise


def _bound(session: Session, server: str, wanted: set[str]) -> list[Bound]:
    found = []
    for number, raw in enumerate(session.ask(listed), 1):
        given = raw.model_dump(by_alias=True, exclude_none=True)
        tool = tool_from_json(given, f"{server}: tool {number}")
        if wanted and tool.name not in wanted:
            continue
        hints = given.get("annotations") or {}
        found.append(
            Bound(
                tool,
                effect_of_annotations(tool, hints),
                _runner(session, given["name"]),
                repeats=hints.get("idempotentHint") is True,
                together=True,
            )
        )
    if missing := wanted - {one.tool.name for one in found}:
        raise ToolError(f"{server}: has no tool '{sorted(missing)[0]}'")
    return found


def _runner(session: Session, name: str) -> Callable[[ToolCall, str], Result]:
    def run(call: ToolCall, key: str) -> Result:
        async def called(client: Any) -> Any:
            return await client.call_tool(name, call.arguments)

        answer = session.ask(called)
        text = "\n".join(part.text for part in answer.content if getattr(part, "type", "") == "text")
        structured = getattr(answer, "structured_content", None)
        if answer.is_error:
            return Result(error=text or "no reason given")
        return Result(text if text or structured is None else structured)

    return run
