"""Every row of the development files, in every dialect: what is written reads back as it was."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import pytest
from test_laws import NAMES, made

from callwright.data import conversations
from callwright.dialects.base import Dialect, text_of
from callwright.dialects.ordered import in_schema_order
from callwright.dialects.same import same_arguments
from callwright.dialects.xlam import XlamTags
from callwright.types import Conversation, Message

DATA = Path(os.environ.get("CALLWRIGHT_DATA", Path(__file__).parents[3] / "shared" / "data")) / "dev"
FILES = sorted(path.name for path in DATA.glob("*.jsonl.gz")) if DATA.is_dir() else []


@lru_cache(16)
def rows(name: str) -> tuple[Conversation, ...]:
    return tuple(conversations(str(DATA / name)))


def unlike(dialect: Dialect, row: Conversation, message: Message) -> str:
    """What differs when a turn is written and read back; "" for nothing."""
    text = text_of(dialect.family.write(in_schema_order(message, row.tools)))
    reply = dialect.parse(text, row.tools)
    same = (
        reply.broken == ()
        and (reply.text, reply.thinking) == (message.text, message.thinking)
        and [call.name for call in reply.calls] == [call.name for call in message.calls]
        and all(map(same_arguments, reply.calls, message.calls))
    )
    return "" if same else f"{row.where}: {text!r} reads back as {reply}"


@pytest.mark.skipif(not FILES, reason="the real data is absent")
@pytest.mark.parametrize("name", [*NAMES, "xlam"])
def test_every_development_row_reads_back(name: str) -> None:
    dialect = XlamTags("</s>") if name == "xlam" else made(name)
    turns = 0
    for file in FILES:
        for row in rows(file):
            for message in row.messages:
                if message.role != "assistant" or (message.text and message.calls and not dialect.family.beside):
                    continue
                turns += 1
                assert unlike(dialect, row, message) == ""
    assert turns > 1000
