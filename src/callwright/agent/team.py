"""Several agents: one as a tool of another, and a router that sends a request to the one that it is for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from callwright.agent.effects import Effect
from callwright.agent.loop import Agent, Ended, Mind
from callwright.agent.memory import Whiteboard
from callwright.agent.retrieve import Retriever
from callwright.agent.toolbox import Bound
from callwright.errors import ToolError, did_you_mean
from callwright.generate.reply import Options
from callwright.synth.execute import Result
from callwright.types import Conversation, Message, Tool, ToolCall

_DEPTH = 4
"""How deep agents may ask agents."""


@dataclass
class Member:
    """An agent and what it is for. rules: regular expressions, in any case, of requests that are surely its own."""

    name: str
    about: str
    agent: Agent
    rules: Sequence[str] = ()

    @property
    def tool(self) -> Tool:
        """The member as a function: it takes a request, and gives the answer."""
        request = {"type": "string", "description": "What is to be done, in a sentence."}
        return Tool(
            self.name, self.about, {"type": "object", "properties": {"request": request}, "required": ["request"]}
        )


@dataclass
class Board:
    """What members tell each other: short notes, which each is shown with its requests."""

    notes: Whiteboard = field(default_factory=Whiteboard)

    def heard(self, request: str) -> str:
        """A request, behind what is known."""
        return f"{self.notes.written}\n\n{request}" if self.notes.notes else request

    def note(self, member: Agent, since: int) -> None:
        """Adds what a member did from its message number `since` on."""
        self.notes.notes = self.notes.scribe(self.notes.notes, member.said[since:])[-self.notes.longest :]


def as_tool(member: Member, board: Board | None = None, depth: int = 1) -> Bound:
    """A member as a tool of another agent. Its own policy rules on its own calls; to the one who asks it is as harmful
    as the worst of its tools that its policy may run. Raises ToolError where agents ask agents too deep."""
    if depth > _DEPTH:
        raise ToolError(f"'{member.name}': agents may ask each other {_DEPTH} deep")
    worst: Effect = "read"
    effects = {name: member.agent.policy.effect(name, effect) for name, effect in member.agent.tools.effects.items()}
    for effect in effects.values():
        worst = "destroy" if "destroy" in (worst, effect) else "change" if "change" in (worst, effect) else "read"

    def run(call: ToolCall, key: str) -> Result:
        # a session of its own for each request, so that the log's keys stay apart
        member.agent.session = f"{member.agent.session.partition('@')[0]}@{key[:12]}"
        since = len(member.agent.said)
        request = str(call.arguments.get("request", ""))
        ended = member.agent.run(board.heard(request) if board else request)
        if board is not None:
            board.note(member.agent, since)
        return Result(ended.text) if ended.why == "answered" else Result(error=f"no answer: {ended.why}")

    return Bound(member.tool, worst, run)


@dataclass
class Router:
    """Sends requests to members: by their rules, else by a model that calls one of them, else by their words.

    model: may be tuned on such calls (`callwright synth` makes rows of the members' tools)."""

    members: Sequence[Member]
    model: Mind | None = None
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    default: str = ""

    def route(self, request: str) -> tuple[Member, str]:
        """The member, and how it was found: 'rule', 'model', 'words' or 'default'. Raises ToolError."""
        for member in self.members:
            if any(re.search(rule, request, re.IGNORECASE) for rule in member.rules):
                return member, "rule"
        tools = tuple(member.tool for member in self.members)
        if self.model is not None:
            row = Conversation("route", tools, (Message("user", request),))
            answer = self.model.answer(row, Options(mode="forced", max_new_tokens=128, parallel=False))
            if answer.reply.calls and (found := self._named(answer.reply.calls[0].name)):
                return found, "model"
        best = Retriever(tools, self.examples).ranked(request, 1)
        if best:
            return self.members[best[0]], "words"
        if chosen := self._named(self.default):
            return chosen, "default"
        near = did_you_mean(self.default, [member.name for member in self.members]) if self.default else ""
        raise ToolError(f"no agent is for {request[:80]!r}{near}; give a default")

    def _named(self, name: str) -> Member | None:
        return next((member for member in self.members if member.name == name), None)


@dataclass
class Team:
    """A router, its members, and the board that they share."""

    router: Router
    board: Board = field(default_factory=Board)

    def ask(self, request: str) -> tuple[str, Ended]:
        """The name of the member that took a request, and how it ended."""
        member, _ = self.router.route(request)
        since = len(member.agent.said)
        heard = self.board.heard(request)
        ended = member.agent.run(heard)
        # the member's own trace keeps the request as it was made
        mine = member.agent.said[since]
        member.agent.said = (
            *member.agent.said[:since],
            replace(mine, text=request),
            *member.agent.said[since + 1 :],
        )
        self.board.note(member.agent, since)
        return member.name, ended
