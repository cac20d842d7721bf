"""`messages`, `tools` and `answer` rows <-> Conversation: the turn to learn stands apart, a call or a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from callwright.data.canonical import to_row as canonical_row
from callwright.data.chat import read_messages, train_flag
from callwright.data.fields import Fields, text
from callwright.data.files import kind_of
from callwright.data.limits import cannot
from callwright.data.pairing import with_names
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message, ToolCall

KEYS = ("messages", "tools", "answer")


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    answer = row.get("answer")
    if "messages" not in row or not isinstance(answer, dict | str):
        return False
    return "tool_call" in answer or "tool_calls" in answer or (isinstance(answer, dict) and "content" in answer)


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """The messages with the answer as their last turn. Raises DataError."""
    answer = row.get("answer")
    if isinstance(answer, str):
        answer = fields.decoded(answer, "'answer'", where) if answer.lstrip().startswith("{") else {"content": answer}
    if not isinstance(answer, dict):
        raise DataError(where, f"'answer' is {kind_of(answer)}; it must be an object with 'tool_call' or 'content'")
    calls = _calls(answer, where, fields)
    said = text(answer.get("content"), "'answer.content'", where)
    last = Message("assistant", said, calls, train=train_flag(answer, "answer", where))
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(row.get("tools"), where),
        messages=(*with_names(read_messages(row.get("messages"), where, fields)), last),
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def _calls(answer: JsonObject, where: str, fields: Fields) -> tuple[ToolCall, ...]:
    raw: Any = answer.get("tool_calls") or answer.get("tool_call")
    if isinstance(raw, str):
        raw = fields.decoded(raw, "'answer.tool_call'", where)
    listed: Sequence[Any] = raw if isinstance(raw, list) else [raw] if raw else []
    return tuple(fields.call(call, f"answer.tool_calls[{i}]", where) for i, call in enumerate(listed))


def to_row(conversation: Conversation) -> JsonObject:
    """The row; one call is `tool_call`, several are `tool_calls`. Raises DataError without a last turn to set apart."""
    if not conversation.messages or conversation.messages[-1].role != "assistant":
        raise cannot(conversation, "answer", "a row whose last turn is not the assistant's")
    row = canonical_row(conversation)
    last = row["messages"].pop()
    calls = last.get("tool_calls") or []
    answer: JsonObject = {"content": last["content"]} if last["content"] or not calls else {}
    if calls:
        answer |= {"tool_call": calls[0]} if len(calls) == 1 else {"tool_calls": calls}
    if "train" in last:
        answer["train"] = last["train"]
    return {**row, "answer": answer}
