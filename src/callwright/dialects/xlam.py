"""Conversation <-> the xLAM-60k guides' tags: <user>, <tools> and <calls>, one tool and one call a line, then EOS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from callwright.dialects.base import Grammar, ThinkingMode, ToolChoice
from callwright.dialects.byfamily import ByFamily
from callwright.dialects.families.xlam import XLAM, XLAM_DICTS
from callwright.dialects.family import Family
from callwright.dialects.ordered import in_schema_order
from callwright.dialects.prefix import ToolsText
from callwright.dialects.syntax.jsoncalls import dump
from callwright.errors import DataError
from callwright.types import Conversation, Kind, Message, Segment, Tool


def _tool_json(tool: Tool) -> dict[str, object]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def _write_json(tools: Sequence[Tool]) -> str:
    return "\n".join(dump(_tool_json(tool)) for tool in tools)


def _write_repr(tools: Sequence[Tool]) -> str:
    return "\n".join(str(_tool_json(tool)) for tool in tools)


_JSON, _REPR = ToolsText(_write_json), ToolsText(_write_repr)
_EMPTY = "<calls></calls>"


@dataclass(frozen=True)
class XlamTags(ByFamily):
    """One user turn and one answer. `python_dicts` writes `str(dict)` as the guides do; reading takes both."""

    stop: str
    bos: str = ""
    python_dicts: bool = False
    name: str = "xlam"
    trims: bool = False

    @property
    def family(self) -> Family:
        return XLAM_DICTS if self.python_dicts else XLAM

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,)

    def segments(self, conversation: Conversation) -> Sequence[Segment]:
        *before, answer = conversation.messages or (Message("user", ""),)
        if answer.role != "assistant":
            raise DataError(
                conversation.where or conversation.id, "the xlam dialect needs an assistant turn at the end"
            )
        own = in_schema_order(answer, conversation.tools)
        return [*self._prompt(conversation, before), *self._answer(own)]

    def prompt(self, conversation: Conversation) -> Sequence[Segment]:
        return self._prompt(conversation, conversation.messages)

    def grammar(
        self,
        tools: Sequence[Tool],
        choice: ToolChoice,
        specials: Mapping[str, int] | None = None,
        *,
        parallel: bool = True,
        thinking: ThinkingMode = "none",
    ) -> Grammar:
        """As for every family; where calls are not required, an empty block says that there are none."""
        made = super().grammar(tools, choice, specials, parallel=parallel, thinking=thinking)
        if choice == "required":
            return made
        first, rest = made.lark.split("\n", 1)
        return replace(made, lark=f"{first} | {dump(_EMPTY)}\n{rest}")

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
        if message.calls or message.text:
            yield from self.family.write(message)
        else:
            yield Segment(_EMPTY, Kind.SCAFFOLD, weight)
        yield Segment(self.stop, Kind.STOP, weight)
