"""The process that `execute` starts: one call as a line of JSON in, its result as a line of JSON out."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from callwright.errors import CallwrightError
from callwright.tools import functions_of, python_source, tool_from_function
from callwright.types import JsonObject

LONGEST_RESULT = 1 << 16
"""Bytes of JSON that a result may have: it becomes a turn of a conversation."""

_WRITTEN_FILE = 16 << 20
_OPEN_FILES = 256


def main(source: str, cpu_seconds: int, megabytes: int) -> None:
    """Loads the functions, says which there are, and runs calls until its input ends."""
    # what the functions print or read must not touch the lines of JSON
    calls, results = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    # numpy and the like take threads and buffers as they load: what they hold then is not the calls'
    try:
        functions = functions_of(*python_source(source))
        tools = {name: tool_from_function(function).parameters for name, function in functions.items()}
    except (CallwrightError, OSError) as error:
        _say(results, {"failed": str(error)})
        return
    _limit(megabytes)
    ready = {name: _typed(function) for name, function in functions.items()}
    _say(results, {"tools": tools})
    for line in calls:
        call = json.loads(line)
        _more_time(cpu_seconds)
        function = ready.get(call["name"])
        _say(results, _result(function, call["arguments"]) if function else {"error": "there is no such function"})


def _result(function: Callable[..., Any], arguments: JsonObject) -> JsonObject:
    # a function may raise anything, SystemExit too: all of it is an answer
    try:
        value = function(**arguments)
        if inspect.isawaitable(value):
            value = asyncio.run(_awaited(value))
        text = json.dumps(value, default=_plain, allow_nan=False)
        if len(text) > LONGEST_RESULT:
            return {"error": f"the result has {len(text):,} bytes as JSON; at most {LONGEST_RESULT:,} fit a turn"}
        return {"result": json.loads(text)}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"[:1000]}


async def _awaited(value: Any) -> Any:
    return await value


def _typed(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, given the dates, enums and dataclasses that its annotations name, where a call has JSON."""
    import pydantic

    try:
        checked = pydantic.validate_call(config=pydantic.ConfigDict(arbitrary_types_allowed=True))
        return checked(function)
    except Exception:  # an annotation that pydantic cannot read: the function gets the JSON as it is
        return function


def _plain(value: Any) -> Any:
    import pydantic_core

    return pydantic_core.to_jsonable_python(value, fallback=str)


def _limit(megabytes: int) -> None:
    held = 0
    statm = Path("/proc/self/statm")
    if statm.exists():
        held = int(statm.read_text().split()[0]) * resource.getpagesize()
    _set(resource.RLIMIT_AS, held + (megabytes << 20))
    _set(resource.RLIMIT_FSIZE, _WRITTEN_FILE)
    _set(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _set(resource.RLIMIT_CORE, 0)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _more_time(cpu_seconds: int) -> None:
    """Each call has its own share of processor time: the soft limit moves on, the hard one is left open for that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _set(which: int, limit: int) -> None:
    _, hard = resource.getrlimit(which)
    lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(which, (lower, lower))


def _say(results: IO[bytes], answer: JsonObject) -> None:
    results.write(json.dumps(answer).encode() + b"\n")
    results.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
