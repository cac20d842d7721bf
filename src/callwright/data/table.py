"""Rows of a CSV table, `query,tool,args` <-> Conversation; several calls are JSON lists in both columns."""

from __future__ import annotations

import json
from typing import Any

from callwright.data.fields import Fields, dump, text, tools_json
from callwright.data.limits import cannot, one_exchange, place_of
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message

KEYS = ("query", "tool", "args")


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    return "query" in row and "tool" in row and "args" in row


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """One question and its calls, or the text of the column `answer` where `tool` is empty. Raises DataError.

    The column `tools`, JSON, may be absent: the tools then come from beside the file, as with `--tools`.
    """
    name = text(row.get("tool"), "'tool'", where).strip()
    calls = []
    if name.startswith("["):
        names, given = (fields.decoded(text(row.get(key), key, where), f"'{key}'", where) for key in ("tool", "args"))
        if not isinstance(names, list) or not isinstance(given, list) or len(names) != len(given):
            raise DataError(where, "'tool' and 'args' must be JSON lists of one length")
        raw: list[Any] = [{"name": one, "arguments": arguments} for one, arguments in zip(names, given, strict=True)]
        calls = [fields.call(call, f"call {i}", where) for i, call in enumerate(raw, 1)]
    elif name:
        calls = [fields.call({"name": name, "arguments": row.get("args") or {}}, "'args'", where)]
    elif text(row.get("args"), "'args'", where).strip():
        raise DataError(where, "'args' without a 'tool'")
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(row.get("tools"), where),
        messages=(
            Message("user", text(row.get("query"), "'query'", where)),
            Message("assistant", text(row.get("answer"), "'answer'", where), tuple(calls)),
        ),
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def to_row(conversation: Conversation) -> JsonObject:
    """The row of a table: every value a text. Raises DataError for more than one exchange."""
    where = place_of(conversation)
    question, answer = one_exchange(conversation, "csv")
    if any(call.name.lstrip().startswith("[") or call.name != call.name.strip() for call in answer.calls):
        raise cannot(conversation, "csv", "a name with '[' or white space around it")
    many = len(answer.calls) > 1
    names = [call.name for call in answer.calls]
    arguments = [call.arguments for call in answer.calls]
    return {
        "id": conversation.id,
        "query": question.text,
        "tool": json.dumps(names, ensure_ascii=False) if many else "".join(names),
        "args": dump(arguments if many else arguments[0], where) if arguments else "",
        "answer": answer.text,
        "tools": dump(tools_json(conversation.tools), where),
        "source": conversation.source,
    }
