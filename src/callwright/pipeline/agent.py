"""A plan -> an agent, or a team of them, on a model that is loaded once for all who share it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from callwright.agent.loop import Agent, Memory, Model, Person
from callwright.agent.memory import Pruning, Whiteboard
from callwright.agent.plan import Plan, Retrieval, TeamPlan
from callwright.agent.policy import rules_text
from callwright.agent.retrieve import Choice, Retriever, sentence_transformer
from callwright.agent.session import Session
from callwright.agent.team import Member, Router, Team
from callwright.agent.toolbox import Toolbox, open_tools
from callwright.data import conversations
from callwright.generate.reply import Options
from callwright.models.bundled import cache_folder
from callwright.pipeline.serving import Wanted, engine_named, open_served
from callwright.types import Message, Tool

_LONGEST_REPLY = 256


@dataclass
class Opened:
    """What was opened, to be closed when all is said: one agent, or a team."""

    agent: Agent | None = None
    team: Team | None = None
    sessions: list[tuple[Session, Agent]] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for session, agent in self.sessions:
            session.close(agent)
        self._stack.close()

    @property
    def agents(self) -> list[Agent]:
        """The one, or all members."""
        if self.team is not None:
            return [member.agent for member in self.team.router.members]
        return [self.agent] if self.agent else []


def open_plan(plan: Plan | TeamPlan, person: Person | None, where: str = "") -> Opened:
    """Loads models and tools. Raises ModelError, ToolError, RecipeError, DataError, MissingExtra."""
    opened = Opened()
    minds: dict[tuple[str, str | None, str, str, bool], Model] = {}
    try:
        if isinstance(plan, Plan):
            opened.agent = _agent(plan, person, where, opened, minds)
            return opened
        members = []
        for name, one in plan.agents.items():
            agent = _agent(one, person, where, opened, minds)
            members.append(Member(name, one.about, agent, one.match))
        router = None
        if plan.router:
            router = _mind(Plan(model=plan.model, adapter=plan.router, tools=["-"]), minds)
        opened.team = Team(Router(members, model=router, default=plan.default))
    except BaseException:
        opened._stack.close()
        raise
    return opened


def _agent(
    plan: Plan,
    person: Person | None,
    where: str,
    opened: Opened,
    minds: dict[tuple[str, str | None, str, str, bool], Model],
) -> Agent:
    box = Toolbox([])
    opened._stack.callback(lambda: box.close())
    for one in plan.sources():
        box = box.joined(open_tools(one.source, url=one.url))
    policy = plan.rules_of(where)
    system = "\n\n".join(filter(None, [plan.system, rules_text(policy, box.effects) if plan.rules else ""]))
    agent = Agent(
        _mind(plan, minds),
        box,
        policy,
        plan.budget.budget(),
        person,
        memory=_memory(plan.memory),
        said=(Message("system", system),) if system else (),
        choose=_choice(plan.retrieve, box.tools) if plan.retrieve else None,
        options=Options(max_new_tokens=_LONGEST_REPLY),
    )
    if plan.session:
        session = Session(Path(plan.session))
        session.open(agent)
        opened.sessions.append((session, agent))
    return agent


def _mind(plan: Plan, minds: dict[tuple[str, str | None, str, str, bool], Model]) -> Model:
    """A model, loaded once for all agents that have the same."""
    key = (plan.model, plan.adapter, plan.dialect, plan.engine, plan.constrain)
    if key not in minds:
        wanted = Wanted(
            plan.model,
            (plan.adapter,) if plan.adapter else (),
            dialect=plan.dialect,
            context=plan.budget.context + plan.budget.tokens,
            slots=4,
            engine=engine_named(plan.engine),
            cache=cache_folder() / "prefixes",
        )
        (served,) = open_served(wanted)
        minds[key] = Model(served.engine, served.dialect, served.tokenizer, plan.constrain, served.calibration)
    return minds[key]


def _memory(name: str) -> Memory | None:
    return {"none": None, "pruning": Pruning(), "whiteboard": Whiteboard()}[name]


def _choice(wanted: Retrieval, tools: Sequence[Tool]) -> Choice:
    embed = sentence_transformer(wanted.model) if wanted.model else None
    served: dict[str, list[str]] = {}
    for row in conversations(wanted.examples) if wanted.examples else ():
        request = next((message.text for message in row.messages if message.role == "user"), "")
        for name in {call.name for message in row.messages for call in message.calls}:
            served.setdefault(name, []).append(request)
    return Choice(Retriever(tools, served, embed, wanted.by), wanted.count, tuple(wanted.always))
