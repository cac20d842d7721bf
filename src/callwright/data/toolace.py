"""ToolACE rows <-> Conversation: functions as a JSON list in `system`, calls in Python syntax."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from callwright.data import strict
from callwright.data.chat import known_role
from callwright.data.fields import Fields, dump, text, tools_json
from callwright.data.files import kind_of
from callwright.data.limits import cannot, no_ids, no_text_beside_calls, no_train_marks, opening, own_fields, place_of
from callwright.data.pairing import with_ids
from callwright.data.pycalls import read_python_calls, write_python_calls
from callwright.data.sharegpt import FROM
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message

KEYS = ("system with a list of functions", "conversations")

_LEAD = "Here is a list of functions in JSON format that you can invoke:"
_INTRODUCTION = "You are an expert in composing functions."
_TASK = re.compile(re.escape(_INTRODUCTION) + r".*?" + re.escape(_LEAD), re.DOTALL)
_FORMAT = (
    "Should you decide to return the function call(s), put them in the format of "
    "[func1(params_name=params_value, params_name2=params_value2...), func2(params)]\n"
    "NO other text MUST be included."
)
_TAIL = ("Should you decide to return the function call(s)", "NO other text MUST be included")
_CALLS = re.compile(r"\s*\[[^\[\]{}()'\"]+\(", re.DOTALL)


def matches(row: JsonObject) -> bool:
    """Whether a row's system text lists functions in this format's words."""
    system = row.get("system")
    return isinstance(system, str) and _LEAD in system and "conversations" in row


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """A row of turns. The instructions about functions leave the system text. Raises DataError.

    A turn of the assistant that begins like a list of calls must be one; any other is text.
    """
    system, tools = _system(text(row.get("system"), "'system'", where), where)
    turns = row.get("conversations")
    if isinstance(turns, str):
        turns = fields.decoded(turns, "'conversations'", where)
    if not isinstance(turns, list):
        raise DataError(where, f"'conversations' is {kind_of(turns)}; it must be a list of turns")
    messages = with_ids(list(_turns(turns, where)))
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(tools, where),
        messages=(Message("system", system), *messages) if system else messages,
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def _system(value: str, where: str) -> tuple[str, Any]:
    lead = value.find(_LEAD)
    if lead < 0:
        return value, None
    start = value.find("[", lead)
    try:
        tools, end = strict.DECODER.raw_decode(value, start)
    except (ValueError, RecursionError) as error:
        raise DataError(where, f"'system': the list of functions is not JSON: {error}") from None
    task = _TASK.search(value, 0, lead + len(_LEAD))
    before = value[: task.start() if task else lead].strip()
    after = _without_tail(value[end:].lstrip(" ."))
    return "\n".join(part for part in (before, after) if part), tools


def _without_tail(value: str) -> str:
    start = value.find(_TAIL[0])
    end = value.find(_TAIL[1], start)
    if start < 0 or end < 0:
        return value.strip()
    return (value[:start].rstrip() + value[end + len(_TAIL[1]) :].removeprefix(".")).strip()


def _turns(turns: Sequence[Any], where: str) -> Iterator[Message]:
    called = 0
    for i, turn in enumerate(turns):
        what = f"conversations[{i}]"
        if not isinstance(turn, dict):
            raise DataError(where, f"{what} is {kind_of(turn)}; it must be an object with 'from' and 'value'")
        role = known_role(turn.get("from"), FROM, what, where)
        value = text(turn.get("value"), f"{what}.value", where)
        if role == "assistant" and _CALLS.match(value):
            try:
                calls = read_python_calls(value)
            except ValueError as error:
                raise DataError(where, f"{what}: the calls cannot be read: {error}") from None
            called = len(calls)
            yield Message("assistant", "", calls)
        elif role == "tool":
            yield from _results(value, called)
        else:
            yield Message(role, value)


def _results(value: str, called: int) -> Iterator[Message]:
    """One result for each call where the text lists as many, otherwise the text as it stands."""
    try:
        listed = strict.loads(value)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list) or len(listed) != called:
        yield Message("tool", value)
        return
    for item in listed:
        yield Message("tool", item if isinstance(item, str) else json.dumps(item, ensure_ascii=False))


def to_row(conversation: Conversation) -> JsonObject:
    """The row of turns. Raises DataError for what would read back as something else."""
    where = place_of(conversation)
    no_train_marks(conversation, "toolace")
    no_text_beside_calls(conversation, "toolace")
    no_ids(conversation, "toolace")
    system, messages = opening(conversation)
    if _INTRODUCTION in system or _LEAD in system or _without_tail(system) != system or system != system.strip():
        raise cannot(conversation, "toolace", "this system text")
    if any(message.role == "system" for message in messages):
        raise cannot(conversation, "toolace", "a system turn that is empty or not the first")
    tools = dump(tools_json(conversation.tools), where)
    head = f"{_INTRODUCTION} {_LEAD}\n{tools}. \n{_FORMAT}"
    return {
        **own_fields(conversation),
        "system": f"{system}\n{head}" if system else head,
        "conversations": list(_written(conversation, messages)),
    }


def _written(conversation: Conversation, messages: Sequence[Message]) -> Iterator[JsonObject]:
    called, results = 0, list[str]()
    for place, message in enumerate(messages):
        if message.role == "tool":
            results.append(message.text)
            if place + 1 == len(messages) or messages[place + 1].role != "tool":
                yield {"from": "tool", "value": _joined(conversation, results, called)}
                results = []
        elif message.calls:
            called = len(message.calls)
            try:
                yield {"from": "assistant", "value": write_python_calls(message.calls)}
            except ValueError as error:
                raise cannot(conversation, "toolace", f"a call: {error}") from None
        else:
            if message.role == "assistant" and _CALLS.match(message.text):
                raise cannot(conversation, "toolace", "a text that begins like a list of calls")
            yield {"from": message.role, "value": message.text}


def _joined(conversation: Conversation, results: Sequence[str], called: int) -> str:
    if len(results) != called:
        if len(results) != 1 or len(list(_results(results[0], called))) != 1:
            raise cannot(conversation, "toolace", "results that are fewer or more than their calls")
        return results[0]
    return dump([_item(result) for result in results], conversation.where)


def _item(result: str) -> Any:
    """A result as JSON where that reads back as the same text, otherwise as a text."""
    try:
        value = strict.loads(result)
    except (ValueError, RecursionError):
        return result
    same = isinstance(value, dict | list) and json.dumps(value, ensure_ascii=False) == result
    return value if same else result
