"""Sources of tools -> a box that runs calls: Python in a process apart, OpenAPI and GraphQL over HTTP, MCP, agents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from callwright.agent.effects import Effect, declared_effect
from callwright.errors import CallwrightError, ToolError, did_you_mean
from callwright.synth.execute import Limits, Result, Runner
from callwright.tools import functions_of, load_tools, python_source
from callwright.types import Tool, ToolCall

Run = Callable[[ToolCall, str], Result]
"""A call and its idempotency key -> what it gave. Never raises for what the function does."""

Watch = Callable[[ToolCall, str, Result | None], None]

_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Bound:
    """A tool that can be run. repeats: whether a second run with the same key does nothing more than the first.
    together: whether it may run beside others."""

    tool: Tool
    effect: Effect
    run: Run
    repeats: bool = False
    together: bool = False


class Toolbox:
    """Tools by their names, and how each is run. Raises ToolError where two have one name."""

    def __init__(self, bound: Iterable[Bound], closers: Sequence[Callable[[], None]] = ()) -> None:
        self._bound: dict[str, Bound] = {}
        self._closers = list(closers)
        for one in bound:
            if one.tool.name in self._bound:
                raise ToolError(f"two tools are named '{one.tool.name}'; choose one with SOURCE#name=...")
            self._bound[one.tool.name] = one

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __contains__(self, name: object) -> bool:
        return name in self._bound

    @property
    def tools(self) -> tuple[Tool, ...]:
        """In the order of their sources."""
        return tuple(one.tool for one in self._bound.values())

    @property
    def effects(self) -> Mapping[str, Effect]:
        """What each declares to do."""
        return {name: one.effect for name, one in self._bound.items()}

    def bound(self, name: str) -> Bound:
        """One tool. Raises ToolError."""
        found = self._bound.get(name)
        if found is None:
            raise ToolError(f"there is no tool '{name}'{did_you_mean(name, self._bound)}")
        return found

    def run(self, calls: Sequence[tuple[ToolCall, str]], watch: Watch = lambda call, key, result: None) -> list[Result]:
        """Runs calls, with their keys, in order; neighbours that only read and may do so run together. `watch` is told
        of each call before it is run, with None, and after it, with its result; also from other threads."""
        results: list[Result] = []
        place = 0
        while place < len(calls):
            end = place
            while end < len(calls) and self._beside(calls[end][0]):
                end += 1
            group = calls[place : max(end, place + 1)]
            if len(group) == 1:
                results.append(self._one(group[0], watch))
            else:
                with ThreadPoolExecutor(min(_TOGETHER, len(group))) as pool:
                    results += pool.map(lambda each: self._one(each, watch), group)
            place += len(group)
        return results

    def joined(self, other: Toolbox) -> Toolbox:
        """Both boxes' tools; closing it closes both."""
        return Toolbox([*self._bound.values(), *other._bound.values()], [self.close, other.close])

    def close(self) -> None:
        """Ends the processes and connections behind the tools."""
        for close in self._closers:
            close()

    def _beside(self, call: ToolCall) -> bool:
        one = self._bound.get(call.name)
        return one is not None and one.together and one.effect == "read"

    def _one(self, given: tuple[ToolCall, str], watch: Watch) -> Result:
        call, key = given
        watch(call, key, None)
        try:
            result = self.bound(call.name).run(call, key)
        except CallwrightError as error:
            result = Result(error=str(error))
        watch(call, key, result)
        return result


def open_tools(
    spec: str,
    *,
    url: str | None = None,
    limits: Limits | None = None,
    tools: Sequence[Tool] | None = None,
) -> Toolbox:
    """The tools of a source as `load_tools` takes it, ready to be run.

    url: where the service of an OpenAPI document is, instead of its own `servers`, or that of a GraphQL schema. limits:
    of Python functions. tools: only these, of a Python source.

    Python functions run in a process of their own with limits, one after another, and keep their state between calls.
    Raises ToolError: also for tools of a plain JSON file, which nothing can run.
    """
    from callwright.agent import http, mcp

    if spec.startswith("mcp:"):
        return mcp.toolbox(spec)
    if http.is_service(spec):
        return http.toolbox(spec, url)
    if spec.partition("#")[0].lower().endswith((".json", ".jsonl", ".yaml", ".yml")):
        raise ToolError(f"{spec}: describes tools that nothing runs; give Python, OpenAPI, GraphQL or mcp:SERVER")
    return _python(spec, limits, tools)


def _python(spec: str, limits: Limits | None, only: Sequence[Tool] | None) -> Toolbox:
    source = python_source(spec)
    tools = tuple(load_tools(spec)) if only is None else tuple(only)
    given = {name: getattr(function, "effect", None) for name, function in functions_of(*source).items()}
    runner = Runner(spec, tools, limits or Limits())

    def run(call: ToolCall, key: str) -> Result:
        return runner.call(call)

    return Toolbox([Bound(tool, declared_effect(tool, given.get(tool.name)), run) for tool in tools], [runner.close])
