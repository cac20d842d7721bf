"""One request of a user -> replies, calls under a policy, their results, and an answer: within budgets, with a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from callwright.agent.audit import AuditLog, call_key
from callwright.agent.effects import Effect
from callwright.agent.policy import Circumstances, Policy, Ruling, rule
from callwright.agent.results import Fence, error_text, fence_of
from callwright.agent.toolbox import Toolbox
from callwright.dialects.base import Dialect
from callwright.generate.confidence import sureness
from callwright.generate.reply import Answer, Engine, Options, make_prompt, reply
from callwright.score.calibration import Calibration
from callwright.synth.execute import Result
from callwright.types import Conversation, Ending, Message, Reply, Tool, ToolCall

Person = Callable[[ToolCall, Ruling], bool]
"""Asked about a call: whether it may be run."""


class Mind(Protocol):
    """What answers a conversation: a model, or whatever stands for one."""

    def answer(self, conversation: Conversation, options: Options) -> Answer: ...

    def tokens(self, conversation: Conversation) -> int:
        """How long the prompt of a conversation is."""
        ...

    def chances(self, answer: Answer, tools: Sequence[Tool]) -> list[float | None]:
        """How probable each call of an answer is to be right; None where nobody knows."""
        ...


@dataclass
class Model:
    """An engine with its dialect and tokenizer. constrain: calls are held to the tools' schemas."""

    engine: Engine
    dialect: Dialect
    tokenizer: Any
    constrain: bool = True
    calibration: Calibration | None = None

    def answer(self, conversation: Conversation, options: Options) -> Answer:
        """The reply that follows. Raises EngineError."""
        wanted = replace(options, constrain=self.constrain, logprobs=options.logprobs or self.calibration is not None)
        return next(reply([conversation], self.dialect, self.tokenizer, self.engine, wanted))

    def tokens(self, conversation: Conversation) -> int:
        """Of the prompt."""
        return len(make_prompt(conversation, self.dialect, self.tokenizer).token_ids)

    def chances(self, answer: Answer, tools: Sequence[Tool]) -> list[float | None]:
        """By the calibration; None without one, or by an engine that gives no tokens."""
        stream = getattr(self.engine, "text_stream", None)
        if self.calibration is None or stream is None or not answer.written:
            return [None] * len(answer.reply.calls)
        found = sureness(answer.written, stream(Options()), self.dialect.stream(tools), answer.begun)
        known: list[float | None] = [self.calibration.probability(one) for one in found]
        return [*known, *[None] * len(answer.reply.calls)][: len(answer.reply.calls)]

    @property
    def fence(self) -> Fence:
        """What results may not hold."""
        return fence_of(self.dialect, self.tokenizer)


@dataclass(frozen=True, slots=True)
class Budget:
    """Of one request: replies, seconds, tokens that are written, and tokens of a prompt. repeats: how often the very
    same call may be made."""

    steps: int = 8
    seconds: float = 120.0
    tokens: int = 4096
    context: int = 4096
    repeats: int = 2


Why = Literal["answered", "steps", "seconds", "tokens", "context", "repeats", "broken", "cut", "engine"]
"""Why a request ended: with an answer, at a budget, or with a reply that nothing can follow."""


@dataclass(frozen=True, slots=True)
class Replied:
    """The model said something: text, calls, thinking."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Ruled:
    """What the policy, and the person, decided on a call."""

    call: ToolCall
    ruling: Ruling


@dataclass(frozen=True, slots=True)
class Returned:
    """What a call gave, as the model is told. ran: whether it was run now."""

    call: ToolCall
    text: str
    ran: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The request is over. text: the answer, "" where there is none."""

    why: Why
    text: str


Event = Replied | Ruled | Returned | Ended


class Memory(Protocol):
    """What of a conversation the model is shown."""

    def shown(self, conversation: Conversation, length: Callable[[Conversation], int], room: int) -> Conversation: ...


@dataclass
class Agent:
    """A model that calls tools, within `policy` and `budget`; the conversation goes on from request to request.

    person: asked where the policy says so; without one such calls are refused. session: names the conversation in the
    log. said: what there is of the conversation, a system message for example. memory: what the model is shown of one
    that grows too long.
    """

    mind: Mind
    tools: Toolbox
    policy: Policy = field(default_factory=Policy)
    budget: Budget = field(default_factory=Budget)
    person: Person | None = None
    log: AuditLog = field(default_factory=AuditLog)
    memory: Memory | None = None
    session: str = "session"
    said: tuple[Message, ...] = ()
    fence: Fence | None = None
    choose: Callable[[Sequence[Message], Sequence[Tool]], Sequence[Tool]] | None = None
    """Which of the tools are offered; all of them without."""
    keep: Callable[[Message], None] | None = None
    """Told of every message as soon as it is said, to be written down."""
    options: Options = field(default_factory=Options)
    _past: list[tuple[str, float]] = field(default_factory=list)

    @property
    def trace(self) -> Conversation:
        """What was said, as a row of data: after a review it can be trained on."""
        return Conversation(self.session, self.tools.tools, self.said, source="agent")

    def run(self, request: str) -> Ended:
        """Answers one request; events are thrown away."""
        *_, last = self.ask(request)
        assert isinstance(last, Ended)
        return last

    def ask(self, request: str) -> Iterator[Event]:
        """Answers one request, telling what happens; the last event is `Ended`. Raises what the engine raises."""
        self._say(Message("user", request))
        yield from self.go_on()

    def go_on(self) -> Iterator[Event]:
        """The rest of a request: results that are lacking first, as after a process was killed, then replies."""
        spent = _Spent(self.budget, time.monotonic())
        yield from self._finish_calls()
        while True:
            conversation = self._shown()
            over = spent.over() or ("context" if self.mind.tokens(conversation) > self.budget.context else None)
            if over:
                yield Ended(over, "")
                return
            answer = self.mind.answer(conversation, self._options(spent))
            spent.steps, spent.tokens = spent.steps + 1, spent.tokens + answer.tokens
            yield Replied(answer.reply)
            if why := _nothing_follows(answer.reply):
                # what cannot be read is kept as it was written, and is no call
                self._say(Message("assistant", answer.raw, thinking=answer.reply.thinking))
                yield Ended(why, "")
                return
            calls = tuple(replace(call, id=f"call_{len(self.said)}_{i}") for i, call in enumerate(answer.reply.calls))
            self._say(Message("assistant", answer.reply.text, calls, thinking=answer.reply.thinking))
            if not calls:
                yield Ended("answered", answer.reply.text)
                return
            chances = self.mind.chances(answer, conversation.tools)
            yield from self._call([*zip(calls, chances, strict=True)], conversation.tools)
            if spent.repeated(calls):
                yield Ended("repeats", "")
                return

    def _shown(self) -> Conversation:
        tools = self.tools.tools
        if self.choose is not None:
            tools = tuple(self.choose(self.said, tools))
        whole = Conversation(self.session, tools, self.said, source="agent")
        return self.memory.shown(whole, self.mind.tokens, self.budget.context) if self.memory else whole

    def _options(self, spent: _Spent) -> Options:
        left = max(1, self.budget.tokens - spent.tokens)
        return replace(self.options, max_new_tokens=min(self.options.max_new_tokens, left))

    def _finish_calls(self) -> Iterator[Event]:
        """Of the last turn with calls, those that have no result yet."""
        last = next((i for i in reversed(range(len(self.said))) if self.said[i].calls), None)
        if last is None or any(message.role == "user" for message in self.said[last:]):
            return
        known = {message.call_id for message in self.said[last:] if message.role == "tool"}
        missing: list[tuple[ToolCall, float | None]] = [
            (call, None) for call in self.said[last].calls if call.id not in known
        ]
        if missing:
            yield from self._call(missing, self.tools.tools)

    def _call(self, calls: Sequence[tuple[ToolCall, float | None]], offered: Sequence[Tool]) -> Iterator[Event]:
        """Rules on calls, runs those that may, and says all results in the order of the calls."""
        running: list[tuple[ToolCall, str]] = []
        rulings: dict[str, Ruling] = {}
        found: dict[str, tuple[str, bool]] = {}
        for call, chance in calls:
            key = call_key(self.session, call.id, call)
            before = self._known(call, key)
            if before is not None:
                found[call.id] = before, False
                continue
            ruling = self._rule(call, chance, offered)
            yield Ruled(call, ruling)
            if ruling.verdict == "run" and not (self.policy.dry_run and ruling.effect != "read"):
                running.append((call, key))
                rulings[key] = ruling
                # before the next is ruled on, so that calls of one reply count too
                self._past.append((call.name, time.monotonic()))
            elif ruling.verdict == "run":
                self.log.add("dry", key, call, effect=ruling.effect)
                found[call.id] = error_text("dry run: this would have been done, and was not"), False
            else:
                self.log.add("refused", key, call, why=ruling.why, chance=chance)
                found[call.id] = error_text(f"not allowed: {ruling.why}"), False

        def watch(call: ToolCall, key: str, result: Result | None) -> None:
            if result is None:
                self.log.add("begun", key, call, effect=rulings[key].effect, why=rulings[key].why)
                return
            found[call.id] = self._told(result), True
            self.log.add("done", key, call, result=found[call.id][0], failed=bool(result.error))

        self.tools.run(running, watch)
        for call, _ in calls:
            text, ran = found[call.id]
            self._say(Message("tool", text, call_id=call.id, name=call.name))
            yield Returned(call, text, ran)

    def _known(self, call: ToolCall, key: str) -> str | None:
        """The result of a call that the log knows: it is not made twice."""
        line = self.log.outcome(key)
        if line is None:
            return None
        if line["event"] == "done":
            return str(line["result"])
        if line["event"] == "refused":
            return error_text(f"not allowed: {line['why']}")
        bound = self.tools.bound(call.name) if call.name in self.tools else None
        if bound is not None and (bound.repeats or line.get("effect") == "read"):
            return None
        return error_text("it was begun and interrupted: whether it was done is not known; it was not done again")

    def _rule(self, call: ToolCall, chance: float | None, offered: Sequence[Tool]) -> Ruling:
        declared: Effect = self.tools.effects.get(call.name, "destroy")
        given = Circumstances(offered, declared, chance, self._past, time.monotonic())
        ruling = rule(self.policy, call, given)
        if ruling.verdict != "ask" or self.policy.dry_run:
            return ruling if ruling.verdict != "ask" else replace(ruling, verdict="run")
        if self.person is None:
            return replace(ruling, verdict="refuse", why=f"{ruling.why}, and nobody can be asked")
        agreed = self.person(call, ruling)
        self.log.add("asked", call_key(self.session, call.id, call), call, why=ruling.why, agreed=agreed)
        return replace(
            ruling, verdict="run" if agreed else "refuse", why="the user agreed" if agreed else "the user said no"
        )

    def _told(self, result: Result) -> str:
        if self.fence is None:
            self.fence = getattr(self.mind, "fence", None) or Fence(frozenset())
        return self.fence.text(result)

    def _say(self, message: Message) -> None:
        self.said = (*self.said, message)
        if self.keep is not None:
            self.keep(message)


@dataclass
class _Spent:
    """What of a budget is used."""

    budget: Budget
    begun: float
    steps: int = 0
    tokens: int = 0
    made: dict[str, int] = field(default_factory=dict)

    def over(self) -> Why | None:
        """Which budget is used up."""
        if self.steps >= self.budget.steps:
            return "steps"
        if time.monotonic() - self.begun >= self.budget.seconds:
            return "seconds"
        return "tokens" if self.tokens >= self.budget.tokens else None

    def repeated(self, calls: Sequence[ToolCall]) -> bool:
        """Whether one of these was made more often than it may be."""
        for call in calls:
            key = call_key("", "", call)
            self.made[key] = self.made.get(key, 0) + 1
        return any(count > self.budget.repeats for count in self.made.values())


def _nothing_follows(said: Reply) -> Why | None:
    if said.broken:
        return "broken"
    if said.ending is Ending.ERROR:
        return "engine"
    return "cut" if said.ending is Ending.LENGTH else None
