"""The user's own functions, run in a process apart with limits -> results as JSON, or why there is none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from callwright.errors import ToolError
from callwright.scale.apart import Apart, Ended, Limits
from callwright.tools import python_source
from callwright.types import JsonObject, Tool, ToolCall

__all__ = ["Limits", "Result", "Runner"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave: JSON in `value`, or the reason in `error`."""

    value: Any = None
    error: str = ""

    @property
    def text(self) -> str:
        """As a tool's turn holds it."""
        if self.error:
            return json.dumps({"error": self.error}, ensure_ascii=False)
        return self.value if isinstance(self.value, str) else json.dumps(self.value, ensure_ascii=False)


class Runner:
    """A process that runs the functions of one Python source: only the user's own code, named by the user.

    It has an empty working folder, no environment but the paths, and Limits. **It is no jail**: a function still writes
    the files and reaches the network that the user can. After a time-out or a crash the next call starts it anew.

    Raises ToolError at the first call where the functions cannot be loaded, or are not those that `tools` declares.
    """

    def __init__(self, source: str, tools: Sequence[Tool], limits: Limits | None = None) -> None:
        path, names = python_source(source)
        where = str(path.resolve()) if isinstance(path, Path) else path
        self._source = f"{where}:{','.join(names)}" if names else where
        self._tools = tuple(tools)
        self._limits = limits or Limits()
        self._apart = Apart("callwright.synth.sandbox", [self._source], self._limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def call(self, call: ToolCall) -> Result:
        """Runs one call. An exception, a time-out and a crash are results with an error, never raised."""
        if not self._apart.running:
            self._start()
        try:
            answer = self._apart.ask({"name": call.name, "arguments": call.arguments})
        except Ended as why:
            return Result(error=str(why))
        return Result(answer.get("result"), answer.get("error", ""))

    @property
    def pid(self) -> int:
        """Of the process, and of its group; 0 where there is none."""
        return self._apart.pid

    def close(self) -> None:
        """Ends the process, and what its functions started."""
        self._apart.close()

    def _start(self) -> None:
        try:
            said = self._apart.start()
        except TimeoutError:
            said = {"failed": f"{self._source}: was not loaded within {self._limits.load_seconds:g} seconds"}
        why = self._unlike(said)
        if why:
            self.close()
            raise ToolError(why)

    def _unlike(self, said: JsonObject | None) -> str:
        """Why these are not the functions of the tools, or nothing."""
        if said is None:
            return f"{self._source}: ended its process while it was loaded; run it with python to see more"
        if "failed" in said:
            return str(said["failed"])
        for tool in self._tools:
            if tool.name not in said["tools"]:
                return f"{self._source}: has no function for the tool '{tool.name}'"
            if said["tools"][tool.name] != tool.parameters:
                return f"{self._source}: '{tool.name}' has another signature than the tool of that name; load it anew"
        return ""
