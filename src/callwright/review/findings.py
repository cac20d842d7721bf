"""A row -> what is wrong with it, each with the place in the row where the page shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from callwright.data.lint import KINDS, lint
from callwright.schema import misfits
from callwright.types import Conversation

_TURN = re.compile(r"turn (\d+)\b")


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` leads into the row as JSON: ("messages", 1, "tool_calls", 0, "arguments", "room"); () is the whole row."""

    path: tuple[str | int, ...]
    why: str
    severity: Literal["error", "warning"]


def findings(row: Conversation) -> list[Finding]:
    """What lint says of the row, and what the schemas say of each argument. An error keeps a row from being kept."""
    found = list(_of_arguments(row))
    for problem in lint(row):
        # the arguments' own problems stand above, with their places
        if problem.kind not in ("wrong arguments", "undeclared tool", "none-filled schema", "bad schema"):
            turn = _TURN.match(problem.why)
            path = ("messages", int(turn[1]) - 1) if turn else ()
            found.append(Finding(path, problem.why, KINDS[problem.kind].severity))
    return found


def _of_arguments(row: Conversation) -> Iterator[Finding]:
    tools = {tool.name: tool for tool in row.tools}
    for place, message in enumerate(row.messages):
        for number, call in enumerate(message.calls):
            at: tuple[str | int, ...] = ("messages", place, "tool_calls", number)
            if call.name not in tools:
                yield Finding((*at, "name"), f"tool '{call.name}' is not declared", "error")
                continue
            for misfit in misfits(call.arguments, tools[call.name].parameters):
                yield Finding((*at, "arguments", *misfit.path), misfit.what, "error")
