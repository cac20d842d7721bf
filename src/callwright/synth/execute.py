"""The user's own functions, run in a process apart with limits -> results as JSON, or why there is none."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from callwright.errors import ToolError
from callwright.tools import python_source
from callwright.types import JsonObject, Tool, ToolCall

_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
"""Of the environment: what programs need to run, and nothing that could be a key."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one call: seconds by the clock, seconds of processor time, MiB of memory on top of what loading took.

    `load_seconds` is what the source may take to be imported.
    """

    call_seconds: float = 5.0
    cpu_seconds: int = 5
    megabytes: int = 1024
    load_seconds: float = 60.0


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
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def call(self, call: ToolCall) -> Result:
        """Runs one call. An exception, a time-out and a crash are results with an error, never raised."""
        process = self._started()
        assert process.stdin is not None
        try:
            line = json.dumps({"name": call.name, "arguments": call.arguments}).encode() + b"\n"
            process.stdin.write(line)
            process.stdin.flush()
            answer = self._line(self._limits.call_seconds)
        except TimeoutError:
            self.close()
            return Result(error=f"no result within {self._limits.call_seconds:g} seconds")
        except OSError:
            answer = None
        if answer is None:
            why = self._ended()
            self.close()
            return Result(error=why)
        return Result(answer.get("result"), answer.get("error", ""))

    def close(self) -> None:
        """Ends the process, and what its functions started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            for pipe in (self._process.stdin, self._process.stdout):
                # what was not sent is of no use to a dead process
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="callwright-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "callwright.synth.sandbox", self._source, *self._numbers()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(self._folder.name),
            cwd=self._folder.name,
            start_new_session=True,
        )
        try:
            said = self._line(self._limits.load_seconds)
        except TimeoutError:
            said = {"failed": f"{self._source}: was not loaded within {self._limits.load_seconds:g} seconds"}
        why = self._unlike(said)
        if why:
            self.close()
            raise ToolError(why)
        return self._process

    def _numbers(self) -> list[str]:
        return [str(self._limits.cpu_seconds), str(self._limits.megabytes)]

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

    def _line(self, seconds: float) -> JsonObject | None:
        """The next line of the process, None at its end. Raises TimeoutError."""
        assert self._process is not None and self._process.stdout is not None
        until = time.monotonic() + seconds
        read = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not read.endswith(b"\n"):
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise TimeoutError
                piece = os.read(self._process.stdout.fileno(), 1 << 16)
                if not piece:
                    return None
                read += piece
        line: JsonObject = json.loads(read)
        return line

    def _ended(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "the function closed its process's output"
        by = {-signal.SIGXCPU: f"used more than {self._limits.cpu_seconds} seconds of processor time"}
        if code < 0:
            return f"the function {by.get(code, f'crashed: {signal.Signals(-code).name}')}"
        return f"the function ended its process with code {code}"


def _environment(folder: str) -> dict[str, str]:
    # a home of its own: credentials are often files there
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # the working folder stands last, so that a file there cannot hide a module of Python's own
    paths = [*(path for path in sys.path if path and Path(path).exists()), str(Path.cwd())]
    return {**kept, "HOME": folder, "TMPDIR": folder, "PYTHONPATH": os.pathsep.join(paths)}
