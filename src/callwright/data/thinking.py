"""An assistant's text <-> the thinking at its beginning and the rest, as most data sets write it: <think> tags."""

from __future__ import annotations

import re

from callwright.data.fields import text as text_field
from callwright.types import JsonObject, Message

_BLOCK = re.compile(r"\s*<think>\n?(.*?)\n?</think>\n*", re.S)
_NAMES = ("thinking", "reasoning_content", "reasoning")
"""What the field of a message is called: by us, by most servers, by some."""


def split_thinking(text: str) -> tuple[str, str]:
    r"""Thinking and text.

    >>> split_thinking("<think>\nThe hall, then.\n</think>\n\nDone.")
    ('The hall, then.', 'Done.')
    """
    found = _BLOCK.match(text) if "<think>" in text else None
    return (found.group(1), text[found.end() :]) if found and found.group(1) else ("", text)


def before_text(message: Message) -> str:
    """The thinking of a message as it stands before its text, for formats that have one field for both."""
    return f"<think>\n{message.thinking}\n</think>\n\n" if message.thinking else ""


def thinking_of(raw: JsonObject, said: str, what: str, where: str) -> tuple[str, str]:
    """Thinking and text of a message that may have a field for it. Raises DataError for one that is no text."""
    for name in _NAMES:
        if raw.get(name):
            return text_field(raw[name], f"{what}.{name}", where), said
    return split_thinking(said)
