"""The process that `execute` starts: one call as a line of JSON in, its result as a line of JSON out."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Callable
from typing import Any

from callwright.errors import CallwrightError
from callwright.scale.apart import limit, lines, more_time, say
from callwright.tools import functions_of, python_source, tool_from_function
from callwright.types import JsonObject

LONGEST_RESULT = 1 << 16
"""Bytes of JSON that a result may have: it becomes a turn of a conversation."""


def main(source: str, cpu_seconds: int, megabytes: int) -> None:
    """Loads the functions, says which there are, and runs calls until its input ends."""
    calls, results = lines()
    # numpy and the like take threads and buffers as they load: what they hold then is not the calls'
    try:
        functions = functions_of(*python_source(source))
        tools = {name: tool_from_function(function).parameters for name, function in functions.items()}
    except (CallwrightError, OSError) as error:
        say(results, {"failed": str(error)})
        return
    limit(megabytes)
    ready = {name: _typed(function) for name, function in functions.items()}
    say(results, {"tools": tools})
    for line in calls:
        call = json.loads(line)
        more_time(cpu_seconds)
        function = ready.get(call["name"])
        say(results, _result(function, call["arguments"]) if function else {"error": "there is no such function"})


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


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
