"""Conversation <-> the xLAM-60k guides' tags: <user>, <tools> and <calls>, one tool and one call a line, then EOS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        stop = Segment(self.stop, Kind.STOP, 0.0 if own.train is False else 1.0)
        return [*self._prompt(conversation, before), *self.family.write(own), stop]

    def prompt(self, conversation: Conversation) -> Sequence[Segment]:
        return self._prompt(conversation, conversation.messages)

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
