"""Conversation <-> ChatML text with Hermes tool tags, as Qwen2.5's template writes it; the default dialect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callwright.dialects.base import StreamParser, ToolChoice
from callwright.dialects.grammar import hermes_grammar
from callwright.dialects.prefix import ToolsText
from callwright.dialects.signature import signature
from callwright.dialects.text import Body, DelimitedStream, Delimiters, dump, parse_with, read_call
from callwright.types import BrokenCall, Conversation, Kind, Message, Reply, Segment, Tool, ToolCall

_TOOLS_HEAD = """

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>"""

_TOOLS_TAIL = """
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>"""

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


def _tools_text(tools: Sequence[Tool]) -> str:
    lines = (
        dump(
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
        )
        for tool in tools
    )
    return _TOOLS_HEAD + "".join("\n" + line for line in lines) + _TOOLS_TAIL


_TOOLS = ToolsText(_tools_text)

_COMPACT_HEAD = """

# Tools

To call a function, write its name and arguments as JSON:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>

Functions (? marks an argument that may be left out):"""


def _compact_text(tools: Sequence[Tool]) -> str:
    return _COMPACT_HEAD + "".join("\n" + signature(tool) for tool in tools)


_COMPACT = ToolsText(_compact_text)


def _read(body: str, offset: int) -> Body:
    call = read_call(body.strip(), offset + len(body) - len(body.lstrip()))
    return ((), (call,)) if isinstance(call, BrokenCall) else ((call,), ())


def call_segments(call: ToolCall, weight: float) -> Iterator[Segment]:
    """One call as `<tool_call>` text, cut by meaning."""
    yield Segment(_OPEN + '\n{"name": "', Kind.SCAFFOLD, weight)
    yield Segment(dump(call.name)[1:-1], Kind.NAME, weight)
    yield Segment('", "arguments": ', Kind.SCAFFOLD, weight)
    yield Segment(dump(call.arguments), Kind.ARGUMENT, weight)
    yield Segment("}\n" + _CLOSE, Kind.SCAFFOLD, weight)


def completion(message: Message, stop: str) -> Iterator[Segment]:
    """What the assistant itself writes for a message, stop included."""
    weight = 0.0 if message.train is False else 1.0
    if message.text:
        yield Segment(message.text, Kind.TEXT, weight)
    for position, call in enumerate(message.calls):
        if position or message.text:
            yield Segment("\n", Kind.SCAFFOLD, weight)
        yield from call_segments(call, weight)
    yield Segment(stop, Kind.STOP, weight)


@dataclass(frozen=True)
class Hermes:
    """ChatML turns; calls as `<tool_call>` JSON, results as `<tool_response>` in a user turn.

    `compact` declares tools by signatures instead of JSON Schemas: for models that were never shown either form,
    a prompt of half the length. Everything else is the same.
    """

    default_system: str = "You are a helpful assistant."
    bos: str = ""
    compact: bool = False
    stops: tuple[str, ...] = ("<|im_end|>",)
    call_opening: str = _OPEN + "\n"

    @property
    def name(self) -> str:
        return "compact" if self.compact else "hermes"

    def segments(self, conversation: Conversation) -> Sequence[Segment]:
        return list(self._walk(conversation))

    def prompt(self, conversation: Conversation) -> Sequence[Segment]:
        parts = [Segment(s.text, s.kind if s.kind is Kind.PREFIX else Kind.PROMPT) for s in self._walk(conversation)]
        return [*parts, Segment("<|im_start|>assistant\n", Kind.PROMPT)]

    def parse(self, text: str) -> Reply:
        return parse_with(self.stream(), text)

    def stream(self) -> StreamParser:
        return DelimitedStream(Delimiters(_OPEN, _CLOSE, _read, lead="\n"))

    def grammar(self, tools: Sequence[Tool], choice: ToolChoice) -> str:
        return hermes_grammar(tools, choice)

    def _walk(self, conversation: Conversation) -> Iterator[Segment]:
        messages = conversation.messages
        has_system = bool(messages) and messages[0].role == "system"
        system = messages[0].text if has_system else self.default_system
        written = _COMPACT if self.compact else _TOOLS
        tools = written.of(conversation.tools) if conversation.tools else ""
        yield Segment(f"{self.bos}<|im_start|>system\n{system}{tools}<|im_end|>\n", Kind.PREFIX)
        for place in range(int(has_system), len(messages)):
            message = messages[place]
            if message.role == "assistant":
                yield Segment("<|im_start|>assistant\n", Kind.PROMPT)
                yield from completion(message, self.stops[0])
                yield Segment("\n", Kind.PROMPT)
            elif message.role == "tool":
                yield Segment(_tool_turn(messages, place), Kind.PROMPT)
            else:
                yield Segment(f"<|im_start|>{message.role}\n{message.text}<|im_end|>\n", Kind.PROMPT)


def _tool_turn(messages: Sequence[Message], place: int) -> str:
    """Results in a row stand in one user turn."""
    first = place == 0 or messages[place - 1].role != "tool"
    last = place + 1 == len(messages) or messages[place + 1].role != "tool"
    body = f"\n<tool_response>\n{messages[place].text}\n</tool_response>"
    return ("<|im_start|>user" if first else "") + body + ("<|im_end|>\n" if last else "")
