"""Tools + a dialect and a tokenizer -> what each costs in a prompt, in exact tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from callwright.dialects.base import Dialect
from callwright.dialects.tokenise import Tokenizer, encode_prompt
from callwright.types import Conversation, Message, Tool


@dataclass(frozen=True, slots=True)
class Costs:
    """Tokens of a prompt with all the tools, and what each tool adds to a prompt that has one already."""

    prompt: int
    of_tool: tuple[int, ...]


def costs_of(tools: Sequence[Tool], dialect: Dialect, tokenizer: Tokenizer) -> Costs:
    """Counts in one pass over the tools."""

    def count(*some: Tool) -> int:
        row = Conversation("", some, (Message("user", "x"),))
        return len(encode_prompt(list(dialect.prompt(row)), tokenizer)[0])

    # beside itself where it is alone: the words that introduce tools are no tool's own
    beside = [tools[1 if len(tools) > 1 and not number else 0] for number in range(len(tools))]
    alone = {id(tool): count(tool) for tool in beside[:2]}
    each = (count(other, tool) - alone[id(other)] for tool, other in zip(tools, beside, strict=True))
    return Costs(count(*tools), tuple(each))
