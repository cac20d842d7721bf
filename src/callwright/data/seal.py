"""Seal-Tools' raw rows -> Conversation: `query` and `calling`; the tools stand in a file of their own.

A parameter that names the result of an earlier call (`API_call_0`) stays as it is written.
"""

from __future__ import annotations

from callwright.data.fields import Fields, text
from callwright.data.files import kind_of
from callwright.data.limits import cannot, one_exchange
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message

KEYS = ("query", "calling")


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    return "query" in row and "calling" in row


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """One question and its calls. Raises DataError."""
    calling = row.get("calling")
    if isinstance(calling, str):
        calling = fields.decoded(calling, "'calling'", where)
    if not isinstance(calling, list) or not all(isinstance(call, dict) for call in calling):
        raise DataError(where, f"'calling' is {kind_of(calling)}; it must be a list of calls")
    calls = [
        fields.call({"name": call.get("api"), "arguments": call.get("parameters")}, f"calling[{i}]", where)
        for i, call in enumerate(calling)
    ]
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(row.get("tools"), where),
        messages=(Message("user", text(row.get("query"), "'query'", where)), Message("assistant", "", tuple(calls))),
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def to_row(conversation: Conversation) -> JsonObject:
    """The row of one question and its calls. Raises DataError for text answers and for tools."""
    question, answer = one_exchange(conversation, "seal")
    if answer.text:
        raise cannot(conversation, "seal", "an answer in text")
    if conversation.tools:
        raise cannot(conversation, "seal", "tools: they stand in a file of their own")
    return {
        "id": conversation.id,
        **({"source": conversation.source} if conversation.source else {}),
        "query": question.text,
        "calling": [{"api": call.name, "parameters": call.arguments, "responses": []} for call in answer.calls],
    }
