"""Rows of the Berkeley Function Calling Leaderboard <-> Conversation: `question`, `function`, and `ground_truth`.

The leaderboard keeps questions and answers in two files; `bfcl:CATEGORY` (see sources.py) joins them from its wheel. It
is a test set: rows are read to be scored, never to be trained on.
"""

from __future__ import annotations

from typing import Any

from callwright.data.chat import read_messages
from callwright.data.fields import Fields, text, tools_json
from callwright.data.files import kind_of
from callwright.data.limits import cannot, no_train_marks
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message, ToolCall

KEYS = ("question", "function", "ground_truth")


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    return "question" in row and ("function" in row or "involved_classes" in row)


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """One question and the first of its possible answers; without `ground_truth`, the question alone.

    An optional argument whose possible values begin with "" is left out, as the leaderboard's checker allows. Raises
    DataError for multi-turn rows, whose answers are states of its own simulated services.
    """
    if "involved_classes" in row:
        raise DataError(
            where, "a multi-turn row of BFCL: its answers are states of simulated services, not calls to read"
        )
    turns = row.get("question")
    if isinstance(turns, list) and turns and isinstance(turns[0], list):
        if len(turns) > 1:
            raise DataError(where, f"'question' holds {len(turns)} turns; only single-turn rows can be read")
        turns = turns[0]
    answers = row.get("ground_truth")
    messages = read_messages(turns, where, fields)
    if answers is not None:
        messages = (*messages, Message("assistant", "", _calls(answers, where)))
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(row.get("function"), where),
        messages=messages,
        source=text(row.get("source"), "'source'", where) or "bfcl",
        where=where,
    )


def _calls(answers: Any, where: str) -> tuple[ToolCall, ...]:
    if not isinstance(answers, list):
        raise DataError(where, f"'ground_truth' is {kind_of(answers)}; it must be a list of calls")
    calls = []
    for i, answer in enumerate(answers):
        if not isinstance(answer, dict) or len(answer) != 1 or not isinstance(next(iter(answer.values())), dict):
            raise DataError(where, f"ground_truth[{i}] must be an object of one function and its arguments")
        ((name, arguments),) = answer.items()
        if not name:
            raise DataError(where, f"ground_truth[{i}] has no name")
        given = {key: _first(values) for key, values in arguments.items() if not _is_left_out(values)}
        calls.append(ToolCall(name, given))
    return tuple(calls)


def _is_left_out(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and values[0] == ""


def _first(values: Any) -> Any:
    """The first possible value; objects hold possible values for each of their keys."""
    value = values[0] if isinstance(values, list) and values else values
    if isinstance(value, dict):
        return {key: _first(inner) for key, inner in value.items() if not _is_left_out(inner)}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [{key: _first(inner) for key, inner in item.items() if not _is_left_out(inner)} for item in value]
    return value


def to_row(conversation: Conversation) -> JsonObject:
    """The question with its calls as the only possible answer. Raises DataError for text answers and several turns."""
    no_train_marks(conversation, "bfcl")
    roles = [message.role for message in conversation.messages]
    if roles[-1:] != ["assistant"] or set(roles[:-1]) - {"system", "user"} or not roles[:-1]:
        raise cannot(conversation, "bfcl", f"the turns {', '.join(roles) or '(none)'}: only a question and its calls")
    *asked, answer = conversation.messages
    if answer.text:
        raise cannot(conversation, "bfcl", "an answer in text")
    return {
        "id": conversation.id,
        **({"source": conversation.source} if conversation.source else {}),
        "question": [[{"role": message.role, "content": message.text} for message in asked]],
        "function": tools_json(conversation.tools),
        "ground_truth": [{call.name: {k: _possible(v) for k, v in call.arguments.items()}} for call in answer.calls],
    }


def _possible(value: Any) -> list[Any]:
    """A value as the one possible value, with each key of an object as one of its own."""
    if isinstance(value, dict):
        return [{key: _possible(inner) for key, inner in value.items()}]
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [[{key: _possible(inner) for key, inner in item.items()} for item in value]]
    return [value]
