"""Conversation <-> the xLAM-60k guides' tags: <user>, <tools> and <calls>, one tool and one call a line, then EOS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callwright.dialects.base import StreamParser, ToolChoice
from callwright.dialects.grammar import xlam_grammar
from callwright.dialects.prefix import ToolsText
from callwright.dialects.text import Body, DelimitedStream, Delimiters, dump, parse_with, read_python_call
from callwright.errors import DataError
from callwright.types import BrokenCall, Conversation, Kind, Message, Reply, Segment, Tool, ToolCall

_OPEN, _CLOSE = "<calls>", "</calls>"


def _tool_json(tool: Tool) -> dict[str, object]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def _write_json(tools: Sequence[Tool]) -> str:
    return "\n".join(dump(_tool_json(tool)) for tool in tools)


def _write_repr(tools: Sequence[Tool]) -> str:
    return "\n".join(str(_tool_json(tool)) for tool in tools)


_JSON, _REPR = ToolsText(_write_json), ToolsText(_write_repr)


def _read(body: str, offset: int) -> Body:
    calls: list[ToolCall] = []
    broken: list[BrokenCall] = []
    for line in body.split("\n"):
        if line.strip():
            call = read_python_call(line, offset)
            (broken if isinstance(call, BrokenCall) else calls).append(call)  # type: ignore[arg-type]
        offset += len(line) + 1
    return tuple(calls), tuple(broken)


@dataclass(frozen=True)
class XlamTags:
    """One user turn and one answer. `python_dicts` writes `str(dict)` as the guides do; reading takes both."""

    stop: str
    bos: str = ""
    python_dicts: bool = False
    name: str = "xlam"
    call_opening: str = _OPEN

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,)

    def segments(self, conversation: Conversation) -> Sequence[Segment]:
        *before, answer = conversation.messages or (Message("user", ""),)
        if answer.role != "assistant":
            raise DataError(
                conversation.where or conversation.id, "the xlam dialect needs an assistant turn at the end"
            )
        return [*self._prompt(conversation, before), *self._answer(answer)]

    def prompt(self, conversation: Conversation) -> Sequence[Segment]:
        return self._prompt(conversation, conversation.messages)

    def parse(self, text: str) -> Reply:
        return parse_with(self.stream(), text)

    def stream(self) -> StreamParser:
        return DelimitedStream(Delimiters(_OPEN, _CLOSE, _read, quotes="'\""))

    def grammar(self, tools: Sequence[Tool], choice: ToolChoice) -> str:
        return xlam_grammar(tools, choice)

    def _prompt(self, conversation: Conversation, messages: Sequence[Message]) -> list[Segment]:
        if [message.role for message in messages] != ["user"]:
            raise DataError(
                conversation.where or conversation.id,
                "the xlam dialect holds one user turn and its answer, no system text and no results; "
                "use 'dialect: hermes' for this row",
            )
        tools = (_REPR if self.python_dicts else _JSON).of(conversation.tools)
        # The request stands before the tools, so rows share no more than the opening tag.
        return [
            Segment(f"{self.bos}<user>", Kind.PREFIX),
            Segment(f"{messages[0].text}</user>\n\n<tools>{tools}</tools>\n\n", Kind.PROMPT),
        ]

    def _answer(self, message: Message) -> Iterator[Segment]:
        weight = 0.0 if message.train is False else 1.0
        if message.text:
            yield Segment(message.text, Kind.TEXT, weight)
        if message.calls or not message.text:
            yield Segment(_OPEN, Kind.SCAFFOLD, weight)
            for position, call in enumerate(message.calls):
                yield from self._call(call, weight, "\n" if position else "")
            yield Segment(_CLOSE, Kind.SCAFFOLD, weight)
        yield Segment(self.stop, Kind.STOP, weight)

    def _call(self, call: ToolCall, weight: float, lead: str) -> Iterator[Segment]:
        if self.python_dicts:
            name, between, arguments = repr(call.name), ", 'arguments': ", repr(call.arguments)
            yield Segment(lead + "{'name': ", Kind.SCAFFOLD, weight)
        else:
            name, between, arguments = dump(call.name), ', "arguments": ', dump(call.arguments)
            yield Segment(lead + '{"name": ', Kind.SCAFFOLD, weight)
        yield Segment(name, Kind.NAME, weight)
        yield Segment(between, Kind.SCAFFOLD, weight)
        yield Segment(arguments, Kind.ARGUMENT, weight)
        yield Segment("}", Kind.SCAFFOLD, weight)
