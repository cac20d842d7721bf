"""xLAM-60k rows <-> Conversation: `query`, and `tools` and `answers` as JSON strings."""

from __future__ import annotations

import re
from typing import Any

from callwright.data.fields import Fields, dump, text, tools_json
from callwright.data.files import kind_of
from callwright.data.limits import cannot, one_exchange, place_of
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message, ToolCall

KEYS = ("query", "tools", "answers")

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    return "query" in row and "answers" in row


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """One question and its calls. Columns may be lists, JSON, or what Python prints for a list. Raises DataError.

    Empty answers become an assistant turn with neither text nor calls.
    """
    for column in ("query", "answers"):
        if row.get(column) is None:
            raise DataError(where, f"the column '{column}' is missing")
    calls = _answers(row["answers"], where, fields)
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(row.get("tools"), where, python=True),
        messages=(Message("user", text(row["query"], "'query'", where)), Message("assistant", "", calls)),
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def _answers(raw: Any, where: str, fields: Fields) -> tuple[ToolCall, ...]:
    answers = fields.decoded(raw, "'answers'", where, python=True) if isinstance(raw, str) else raw
    if isinstance(answers, dict):
        answers = [answers]
    if not isinstance(answers, list):
        raise DataError(where, f"'answers' is {kind_of(answers)}; it must be a list of calls")
    return tuple([fields.call(answer, f"answers[{i}]", where) for i, answer in enumerate(answers)])


def to_row(conversation: Conversation) -> JsonObject:
    """The row of one question and its calls. Raises DataError for a conversation that holds more than that."""
    where = place_of(conversation)
    question, answer = one_exchange(conversation, "xlam")
    if answer.text:
        raise cannot(conversation, "xlam", "an answer in text" + (" beside calls" if answer.calls else ""))
    calls = [{"name": call.name, "arguments": call.arguments} for call in answer.calls]
    own_id = conversation.id
    return {
        "id": int(own_id) if _NUMBER.fullmatch(own_id) else own_id,
        **({"source": conversation.source} if conversation.source else {}),
        "query": question.text,
        "tools": dump(tools_json(conversation.tools), where),
        "answers": dump(calls, where),
    }
