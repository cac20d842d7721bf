"""Requests to an OpenAI-compatible server with their responses <-> Conversation: one exchange a row."""

from __future__ import annotations

from typing import Any

from callwright.data.chat import read_messages
from callwright.data.fields import Fields, text
from callwright.data.files import kind_of
from callwright.data.limits import cannot, no_train_marks
from callwright.data.openai import to_row as openai_row
from callwright.data.pairing import with_names
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject

KEYS = ("request", "response")


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    return "request" in row and "response" in row


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """The request's messages and the first choice of the response. Raises DataError for a response without one."""
    request, response = (_object(row.get(key), key, where, fields) for key in ("request", "response"))
    request = _object(request.get("body", request), "request.body", where, fields)
    response = _object(response.get("body", response), "response.body", where, fields)
    choices = response.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        said = response.get("error")
        raise DataError(
            where, f"'response' holds no choice{f': {said}' if said else ''}; only answered requests can be read"
        )
    tools = request.get("tools")
    if tools is None:
        tools = request.get("functions")
    asked = request.get("messages")
    if not isinstance(asked, list):
        raise DataError(where, f"'request.messages' is {kind_of(asked)}; it must be a list")
    messages = read_messages([*asked, choices[0].get("message")], where, fields)
    return Conversation(
        id=text(row.get("id") or response.get("id"), "'id'", where),
        tools=fields.tools(tools, where),
        messages=with_names(messages),
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def _object(raw: Any, what: str, where: str, fields: Fields) -> JsonObject:
    value = fields.decoded(raw, f"'{what}'", where) if isinstance(raw, str) else raw
    if not isinstance(value, dict):
        raise DataError(where, f"'{what}' is {kind_of(value)}; it must be an object")
    return value


def to_row(conversation: Conversation) -> JsonObject:
    """The request that would have led to the last turn, and a response of that turn."""
    no_train_marks(conversation, "logs")
    if not conversation.messages or conversation.messages[-1].role != "assistant":
        raise cannot(conversation, "logs", "a row whose last turn is not the assistant's")
    row = openai_row(conversation)
    *asked, answer = row.pop("messages")
    tools = {"tools": row.pop("tools")} if "tools" in row else {}
    finish = "tool_calls" if answer.get("tool_calls") else "stop"
    return {
        **row,
        "request": {"messages": asked, **tools},
        "response": {
            "object": "chat.completion",
            "choices": [{"index": 0, "message": answer, "finish_reason": finish}],
        },
    }
