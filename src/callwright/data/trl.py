"""TRL's prompt-completion rows <-> Conversation, with `tools` as a JSON string column.

TRL's other shape, `messages` and `tools`, is the one that openai.py reads and writes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from callwright.data import strict
from callwright.data.chat import read_messages
from callwright.data.fields import Fields, dump, text, tools_json
from callwright.data.files import kind_of
from callwright.data.limits import cannot, own_fields, place_of
from callwright.data.openai import to_row as openai_row
from callwright.data.pairing import with_names
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message

KEYS = ("prompt", "completion", "tools")


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    return "prompt" in row and "completion" in row


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """A prompt and its completion, as texts or as messages. Turns of the prompt are not trained, as in TRL."""
    prompt, completion = (_messages(row.get(key), key, where, fields) for key in ("prompt", "completion"))
    if not completion or any(message.role not in ("assistant", "tool") for message in completion):
        raise DataError(where, "'completion' must hold turns of the assistant")
    fixed = tuple(replace(message, train=False) if message.role == "assistant" else message for message in prompt)
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(row.get("tools"), where),
        messages=with_names((*fixed, *completion)),
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def _messages(raw: Any, key: str, where: str, fields: Fields) -> tuple[Message, ...]:
    if isinstance(raw, str) and not _is_messages(raw):
        return (Message("user" if key == "prompt" else "assistant", raw),)
    if raw is None:
        raise DataError(where, f"the column '{key}' is missing")
    if not isinstance(raw, list | str):
        raise DataError(where, f"'{key}' is {kind_of(raw)}; it must be a text or a list of messages")
    return read_messages(raw, where, fields)


def _is_messages(raw: str) -> bool:
    """Whether a text is messages as a JSON string, as Parquet columns hold them."""
    if not raw.lstrip().startswith("["):
        return False
    try:
        value = strict.loads(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, list) and all(isinstance(item, dict) and "role" in item for item in value)


def to_row(conversation: Conversation) -> JsonObject:
    """A row for SFTTrainer: the last turn is the completion, all before it the prompt, which TRL does not train.

    Raises DataError where an earlier turn is trained too: that is the row `--to openai` writes, which TRL also reads.
    """
    where = place_of(conversation)
    if not conversation.messages or conversation.messages[-1].role != "assistant":
        raise cannot(conversation, "trl", "a row whose last turn is not the assistant's")
    *earlier, last = [message for message in conversation.messages if message.role == "assistant"]
    if last.train is False or any(message.train is not False for message in earlier):
        raise cannot(conversation, "trl", "trained turns before the last one (mark them train: false, or write openai)")
    row: JsonObject = own_fields(conversation)
    plain = replace(conversation, messages=tuple(replace(m, train=None) for m in conversation.messages))
    messages = openai_row(plain)["messages"]
    row |= {"prompt": messages[:-1], "completion": messages[-1:]}
    tools = [{"type": "function", "function": tool} for tool in tools_json(conversation.tools)]
    return {**row, "tools": dump(tools, where)} if tools else row
