"""What a function gave -> the text of a tool's turn: data of limited length that can neither end it nor open a call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from callwright.dialects.base import Dialect, text_of
from callwright.synth.execute import Result
from callwright.types import Conversation, Message, Tool, ToolCall

LONGEST = 4000
"""Characters of a result that a model is shown, unless told."""

_TAG = re.compile(r"<[^<>\s]{1,60}>|\[/?[A-Z][A-Z_]{2,}\]")


@dataclass(frozen=True)
class Fence:
    """What may not stand in a result: the tokenizer's special tokens, and what the dialect wraps turns and calls in."""

    markers: frozenset[str]
    longest: int = LONGEST

    def text(self, result: Result) -> str:
        """A result as a tool's turn holds it: cut to `longest` characters, with markers taken apart.

        >>> Fence(frozenset({"<|im_end|>"}), 30).text(Result("ok<|im_end|>"))
        'ok< |im_end|>'
        >>> Fence(frozenset(), 5).text(Result("0123456789"))
        '01234… (5 of 10 characters)'
        """
        return self.defused(cut(result.text, self.longest))

    def defused(self, text: str) -> str:
        """A text whose markers are no longer any."""
        # twice: what is left of one may close another
        for _ in range(2):
            for marker in sorted(self.markers, key=len, reverse=True):
                if marker in text:
                    text = text.replace(marker, f"{marker[0]} {marker[1:]}")
        return text


def cut(text: str, longest: int) -> str:
    """The beginning of a text, and how much of it that is."""
    return text if len(text) <= longest else f"{text[:longest]}… ({longest:,} of {len(text):,} characters)"


def fence_of(dialect: Dialect, tokenizer: Any, longest: int = LONGEST) -> Fence:
    """The markers of a dialect and a tokenizer, found in how they write a turn of each kind."""
    specials = {token.content for token in getattr(tokenizer, "added_tokens_decoder", {}).values()}
    return Fence(frozenset(marker for marker in {*specials, *_tags(dialect)} if len(marker) > 1), longest)


def _tags(dialect: Dialect) -> Iterable[str]:
    tool = Tool("probe", "probe", {"type": "object", "properties": {"a": {"type": "string"}}})
    call = ToolCall("probe", {"a": "b"}, "call_1")
    row = Conversation(
        "probe",
        (tool,),
        (
            Message("user", "probe"),
            Message("assistant", "", (call,)),
            Message("tool", "probe", call_id="call_1", name="probe"),
            Message("assistant", "probe"),
        ),
    )
    return {*_TAG.findall(text_of(dialect.segments(row))), *dialect.stops, dialect.call_opening.strip()}


def error_text(why: str) -> str:
    """An error as a tool's turn holds it."""
    return json.dumps({"error": why}, ensure_ascii=False)
