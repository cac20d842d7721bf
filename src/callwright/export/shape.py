"""A dialect -> the texts that it puts around what a conversation says, found by rendering marks; and back.

A template in another language can only be written from such texts. Dialects that do not fit are refused, and every
shape is tried on conversations before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from callwright.dialects.base import Dialect, text_of
from callwright.dialects.ordered import in_schema_order
from callwright.dialects.signature import signature
from callwright.dialects.syntax.jsoncalls import dump
from callwright.errors import DataError, ModelError
from callwright.types import Conversation, JsonObject, Message, Tool, ToolCall

SYSTEM = "QZSYSTEMQZ"
_USER, _OTHER, _SAID, _RESULT, _MORE, _THOUGHT = (f"QZ{word}QZ" for word in ("ASK", "NEXT", "SAY", "GOT", "TOO", "HM"))
_TOOLS = tuple(
    Tool(f"qz{word}", f"Qz {word}.", {"type": "object", "properties": {f"qz{word}key": {"type": "string"}}})
    for word in ("one", "two")
)
_CALLS = tuple(ToolCall(tool.name, {f"{tool.name}key": "qzvalue"}) for tool in _TOOLS)


@dataclass(frozen=True)
class ToolsText:
    """How tools are declared: text before, each one as its JSON or its signature, between, and behind."""

    before: str
    between: str
    after: str
    form: Literal["schema", "signature"]

    def of(self, tools: Sequence[Tool]) -> str:
        """The text of some tools."""
        return self.before + self.between.join(declared(tool, self.form) for tool in tools) + self.after


@dataclass(frozen=True)
class Shape:
    """What stands around each thing that a conversation says.

    heads: by whether there is a system text and whether there are tools, all before the first turn; SYSTEM in it
    stands for that text. tools: None where the tools stand in no place of their own. calls: before the name, where
    text stands before and where none does, between name and arguments, between calls, and behind them. results: before
    the first of some in a row, between two, behind the last. begin: where the assistant is to write.
    """

    heads: dict[tuple[bool, bool], tuple[str, str]]
    tools: ToolsText
    user: tuple[str, str]
    system: tuple[str, str] | None
    assistant: tuple[str, str]
    thinking: tuple[str, str] | None
    calls: tuple[str, str, str, str, str]
    results: tuple[str, str, str]
    begin: str

    def write(self, conversation: Conversation) -> str:
        """A prompt, as a template that is made from this writes it. Raises ModelError for what it has no place for."""
        return "".join(self._parts(conversation))

    def head(self, system: str | None, tools: Sequence[Tool]) -> str:
        """All before the first turn."""
        before, after = self.heads[system is not None, bool(tools)]
        return (
            before.replace(SYSTEM, system or "")
            + (self.tools.of(tools) if tools else "")
            + (after.replace(SYSTEM, system or ""))
        )

    def _parts(self, conversation: Conversation) -> Iterator[str]:
        messages = conversation.messages
        first = messages[0] if messages and messages[0].role == "system" else None
        yield self.head(first.text if first else None, conversation.tools)
        last = ""
        for message in messages[1 if first else 0 :]:
            if last == "tool" and message.role != "tool":
                yield self.results[2]
            if message.role == "tool":
                yield self.results[1 if last == "tool" else 0] + message.text
            elif message.role == "assistant":
                yield from self._own(in_schema_order(message, conversation.tools))
            else:
                around = self.user if message.role == "user" else self.system
                if around is None:
                    raise ModelError("it has no place for a system text between turns")
                yield around[0] + message.text + around[1]
            last = message.role
        yield self.results[2] + self.begin if last == "tool" else self.begin

    def _own(self, message: Message) -> Iterator[str]:
        yield self.assistant[0]
        if message.thinking:
            if self.thinking is None:
                raise ModelError("it has no place for thinking")
            yield self.thinking[0] + message.thinking + self.thinking[1]
        yield message.text
        beside, alone, inside, between, behind = self.calls
        for number, call in enumerate(message.calls):
            yield between if number else beside if message.text else alone
            yield call.name + inside + dump(call.arguments)
        if message.calls:
            yield behind
        yield self.assistant[1]


def wrapped(tool: Tool) -> JsonObject:
    """A tool as OpenAI's API has it."""
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def declared(tool: Tool, form: str) -> str:
    """One tool as a prompt declares it."""
    return signature(tool) if form == "signature" else dump(wrapped(tool))


def shape_of(dialect: Dialect, rows: Sequence[Conversation] = ()) -> Shape:
    """The shape of a dialect, tried on conversations of every kind and on `rows`, each without its last turn.

    Raises ModelError, with the reason, for a dialect that has none.
    """
    try:
        found = _learn(dialect)
    except DataError as error:
        raise _refusal(dialect, error.what) from error
    except (ValueError, IndexError) as error:
        # a mark that is not found as it was given
        why = str(error) if str(error).startswith("it") else "its calls are no name and JSON object behind it"
        raise _refusal(dialect, why) from error
    for row in (*_trials(), *rows):
        asked = replace(row, messages=row.messages[:-1]) if row.messages[-1].role == "assistant" else row
        try:
            wanted = text_of(dialect.prompt(asked))
        except DataError:
            continue
        if any(message.thinking for message in asked.messages) and not found.thinking:
            continue
        try:
            written = found.write(asked)
        except ModelError as error:
            raise _refusal(dialect, f"row {row.id}: {error}") from error
        if written != wanted:
            at = next((i for i, (a, b) in enumerate(zip(written, wanted, strict=False)) if a != b), 0)
            what = f"row {row.id} has {wanted[at : at + 40]!r} where it would write {written[at : at + 40]!r}"
            raise _refusal(dialect, what)
    return found


def _refusal(dialect: Dialect, why: str) -> ModelError:
    name = f"native ({dialect.family.name})" if dialect.name == "native" else dialect.name
    return ModelError(f"the {name} dialect does not fit a template: {why}; use 'callwright serve'")


def _row(*messages: Message, tools: Sequence[Tool] = ()) -> Conversation:
    return Conversation("shape", tuple(tools), messages)


def _learn(dialect: Dialect) -> Shape:
    """Raises DataError or ValueError where a mark is not found as it was given."""

    def closed(*messages: Message, tools: Sequence[Tool] = ()) -> str:
        return text_of(dialect.segments(_row(*messages, tools=tools)))

    ask, then = Message("user", _USER), Message("user", _OTHER)
    say = Message("assistant", _SAID)
    one = Message("assistant", "", _CALLS[:1])
    user_close = _after(closed(ask), _USER)
    answered = closed(ask, say)
    opening = _without(_between(answered, _USER, _SAID), before=user_close)
    closing = _after(answered, _SAID)
    user_open = _without(_between(closed(ask, say, then), _SAID, _OTHER), before=closing)
    begin = _without(_after(text_of(dialect.prompt(_row(ask))), _USER), before=user_close)

    def own(message: Message, first: str, *more: Message) -> str:
        """From what the turn says first, with all that stands before it in the turn."""
        whole = closed(ask, message, *more, tools=_TOOLS)
        return whole[whole.rindex(user_close + opening, 0, whole.rindex(first)) + len(user_close + opening) :]

    name, arguments = _CALLS[0].name, dump(_CALLS[0].arguments)
    alone = own(one, arguments)
    behind = _without(_after(alone, arguments), after=closing)
    beside = _between(own(Message("assistant", _SAID, _CALLS[:1]), _SAID), _SAID, name) if _beside(dialect) else ""
    pair = own(Message("assistant", "", _CALLS), arguments)
    results = [Message("tool", text, name=call.name) for text, call in zip((_RESULT, _MORE), _CALLS, strict=True)]
    two = own(Message("assistant", "", _CALLS), arguments, *results)
    before = _between(two, dump(_CALLS[1].arguments), _RESULT)
    return Shape(
        heads={
            (bool(system), bool(tools)): _head(dialect, (*system, ask), tools, user_open)
            for system in ((), (Message("system", SYSTEM),))
            for tools in ((), _TOOLS)
        },
        tools=_tools(dialect, ask),
        user=(user_open, user_close),
        system=_later_system(dialect, ask, user_close),
        assistant=(opening, closing),
        thinking=_thinking(dialect, ask, user_close + opening),
        calls=(
            beside,
            alone[: alone.index(name)],
            _between(alone, name, arguments),
            _between(pair, arguments, _CALLS[1].name),
            behind,
        ),
        results=(_without(before, before=behind + closing), _between(two, _RESULT, _MORE), _after(two, _MORE)),
        begin=begin,
    )


def _beside(dialect: Dialect) -> bool:
    return dialect.family.beside


def _head(dialect: Dialect, messages: Sequence[Message], tools: Sequence[Tool], user_open: str) -> tuple[str, str]:
    """What stands before the tools and what behind them, up to the first turn."""
    whole = text_of(dialect.prompt(_row(*messages, tools=tools)))
    head = _without(whole[: whole.index(_USER)], after=user_open)
    if not tools:
        return head, ""
    before, text, after = head.partition(_tools(dialect, messages[-1]).of(tools))
    if not text:
        raise ValueError("its tools are declared otherwise beside a system text")
    return before, after


def _tools(dialect: Dialect, ask: Message) -> ToolsText:
    """What two tools add to a prompt, found behind what it begins with in any case."""
    plain = text_of(dialect.prompt(_row(ask)))
    whole = text_of(dialect.prompt(_row(ask, tools=_TOOLS)))
    forms: tuple[Literal["schema"], Literal["signature"]] = ("schema", "signature")
    for form in forms:
        first, second = (declared(tool, form) for tool in _TOOLS)
        if first in whole and second in whole:
            break
    else:
        raise ValueError("its tools are written neither as JSON nor as signatures")
    at = next((i for i, (a, b) in enumerate(zip(plain, whole, strict=False)) if a != b), 0)
    at = min(at, whole.index(first))
    # the end of what they add, where what both have alike begins again
    tail, rest = whole[whole.index(second) + len(second) :], plain[at:]
    common = next((i for i, (a, b) in enumerate(zip(reversed(tail), reversed(rest), strict=False)) if a != b), None)
    common = min(len(tail), len(rest)) if common is None else common
    return ToolsText(whole[at : whole.index(first)], _between(whole, first, second), tail[: len(tail) - common], form)


def _later_system(dialect: Dialect, ask: Message, user_close: str) -> tuple[str, str] | None:
    try:
        whole = text_of(dialect.segments(_row(ask, Message("system", SYSTEM))))
        return _without(_between(whole, _USER, SYSTEM), before=user_close), _after(whole, SYSTEM)
    except (DataError, ValueError):
        return None


def _thinking(dialect: Dialect, ask: Message, before: str) -> tuple[str, str] | None:
    try:
        whole = text_of(dialect.segments(_row(ask, Message("assistant", _SAID, thinking=_THOUGHT))))
        return _without(_between(whole, _USER, _THOUGHT), before=before), _between(whole, _THOUGHT, _SAID)
    except (DataError, ValueError):
        return None


def _between(text: str, first: str, second: str) -> str:
    start = text.index(first) + len(first)
    return text[start : text.index(second, start)]


def _after(text: str, mark: str) -> str:
    return text[text.rindex(mark) + len(mark) :]


def _without(text: str, *, before: str = "", after: str = "") -> str:
    if not text.startswith(before) or not text.endswith(after):
        raise ValueError(f"it has {text[:60]!r} where {(before or after)[:60]!r} should stand")
    return text[len(before) : len(text) - len(after)]


def _trials() -> Iterator[Conversation]:
    """Conversations of every kind."""
    rule, ask, then = Message("system", "Be brief."), Message("user", "hi <there>"), Message("user", "And now?")
    call = ToolCall("qzone", {"qzonekey": 'it\'s "so"\n'})
    other = ToolCall("qztwo", {"qztwokey": "é"})
    got = (Message("tool", "21", name="qzone"), Message("tool", '{"a": 1}', name="qztwo"))
    done = Message("assistant", "Done.")
    for head in ((ask,), (rule, ask)):
        for tools in ((), _TOOLS[:1], _TOOLS):
            yield Conversation("asked", tools, head)
            yield Conversation("answered", tools, (*head, done, then))
    for said in ("", "One moment."):
        for calls in ((call,), (call, other)):
            turn, results = Message("assistant", said, calls), got[: len(calls)]
            yield Conversation("called", _TOOLS, (ask, turn, *results))
            yield Conversation("called", _TOOLS, (rule, ask, turn, *results, done, then, turn, *results))
