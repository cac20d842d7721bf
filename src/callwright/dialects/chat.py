"""Conversation <-> ChatML turns around a family's calls: for models whose own template knows no tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from callwright.dialects.byfamily import ByFamily
from callwright.dialects.family import Family
from callwright.dialects.ordered import in_schema_order
from callwright.dialects.prefix import ToolsText
from callwright.dialects.signature import signature
from callwright.dialects.syntax.jsoncalls import dump
from callwright.errors import DataError
from callwright.types import Conversation, Kind, Message, Segment, Tool


@dataclass(frozen=True)
class ToolWords:
    """How tools are declared in the system text: what stands before them, one of them, and what stands after.
    {hint} in these is how the family writes a call."""

    before: str
    one: str
    after: str


SCHEMAS = ToolWords(
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>",
    "schema",
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n{hint}",
)
"""As Qwen2.5's template has it, for Hermes calls."""

SCHEMAS_PLAIN = ToolWords(
    "\n\n# Tools\n\nYou may call one or more functions. They are declared within <tools></tools> tags:\n<tools>",
    "schema",
    "\n</tools>\n\nTo call functions, write:\n{hint}",
)

SIGNATURES = ToolWords(
    "\n\n# Tools\n\nTo call a function, write its name and arguments as JSON:\n{hint}\n\n"
    "Functions (? marks an argument that may be left out):",
    "signature",
    "",
)
"""Signatures instead of schemas: for models that were never shown either, a prompt of half the length."""


@dataclass(frozen=True)
class Chat(ByFamily):
    """ChatML turns; calls as the family writes them, results as `<tool_response>` in a user turn."""

    family: Family
    words: ToolWords
    name: str
    default_system: str = "You are a helpful assistant."
    bos: str = ""
    stops: tuple[str, ...] = ("<|im_end|>",)
    trims: bool = False

    def segments(self, conversation: Conversation) -> Sequence[Segment]:
        return list(self._walk(conversation))

    def prompt(self, conversation: Conversation) -> Sequence[Segment]:
        parts = [Segment(s.text, s.kind if s.kind is Kind.PREFIX else Kind.PROMPT) for s in self._walk(conversation)]
        return [*parts, Segment("<|im_start|>assistant\n", Kind.PROMPT)]

    @cached_property
    def _tools(self) -> ToolsText:
        before, after = (text.replace("{hint}", self.family.hint) for text in (self.words.before, self.words.after))
        one = signature if self.words.one == "signature" else _schema
        return ToolsText(lambda tools: before + "".join("\n" + one(tool) for tool in tools) + after)

    def _walk(self, conversation: Conversation) -> Iterator[Segment]:
        messages = conversation.messages
        has_system = bool(messages) and messages[0].role == "system"
        system = messages[0].text if has_system else self.default_system
        tools = self._tools.of(conversation.tools) if conversation.tools else ""
        yield Segment(f"{self.bos}<|im_start|>system\n{system}{tools}<|im_end|>\n", Kind.PREFIX)
        for place in range(int(has_system), len(messages)):
            message = messages[place]
            if message.role == "assistant":
                yield Segment("<|im_start|>assistant\n", Kind.PROMPT)
                yield from self._own(message, conversation)
                yield Segment(self.stops[0], Kind.STOP, 0.0 if message.train is False else 1.0)
                yield Segment("\n", Kind.PROMPT)
            elif message.role == "tool":
                yield Segment(_tool_turn(messages, place), Kind.PROMPT)
            else:
                yield Segment(f"<|im_start|>{message.role}\n{message.text}<|im_end|>\n", Kind.PROMPT)

    def _own(self, message: Message, conversation: Conversation) -> Iterator[Segment]:
        if message.text and message.calls and not self.family.beside:
            raise DataError(
                conversation.where or conversation.id,
                f"the {self.name} dialect holds no text beside calls; use 'dialect: hermes' for this row",
            )
        yield from self.family.write(in_schema_order(message, conversation.tools))


def _schema(tool: Tool) -> str:
    return dump(
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
    )


def _tool_turn(messages: Sequence[Message], place: int) -> str:
    """Results in a row stand in one user turn."""
    first = place == 0 or messages[place - 1].role != "tool"
    last = place + 1 == len(messages) or messages[place + 1].role != "tool"
    body = f"\n<tool_response>\n{messages[place].text}\n</tool_response>"
    return ("<|im_start|>user" if first else "") + body + ("<|im_end|>\n" if last else "")
