"""Glaive v2 text rows <-> Conversation: `system` with functions as JSON, and `chat` as one text of marked turns.

The data set `glaiveai/glaive-function-calling-v2`. Its calls quote the arguments with '...', whatever they hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from callwright.data import strict, tags
from callwright.data.fields import Fields, dump, text, tools_json
from callwright.data.limits import cannot, no_ids, no_text_beside_calls, no_train_marks, opening, own_fields, place_of
from callwright.data.pairing import with_ids
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message, ToolCall

KEYS = ("system", "chat")

_INTRODUCTION = "You are a helpful assistant with access to the following functions. Use them if required -"
_TURN = re.compile(r"(?:\A\s*|\n[^\S\n]*)(USER|ASSISTANT|FUNCTION RESPONSE|FUNCTION CALL):[ ]?")
_CALL = re.compile(r"\s*<functioncall>\s*(.*?)\s*\Z", re.DOTALL)
# the name, then arguments between apostrophes up to the last one: they hold apostrophes of their own
_QUOTED = re.compile(r"""\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*'(.*)'\s*\}""", re.DOTALL)
_END = "<|endoftext|>"
_MARKS = {"user": "USER: ", "assistant": "ASSISTANT: ", "tool": "FUNCTION RESPONSE: "}


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    return isinstance(row.get("chat"), str) and "system" in row


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """A row of marked text. The introduction of the functions leaves the system text. Raises DataError."""
    system, tools = _system(text(row.get("system"), "'system'", where), where, fields)
    messages = with_ids(list(_turns(text(row.get("chat"), "'chat'", where), where, fields)))
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(tools, where),
        messages=(Message("system", system), *messages) if system else messages,
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def _system(value: str, where: str, fields: Fields) -> tuple[str, list[object]]:
    value = value.strip().removeprefix("SYSTEM:").strip()
    before, found, after = value.partition(_INTRODUCTION)
    if not found:
        return value, []
    return before.strip(), tags.objects(after, "'system': the functions", where, fields)


def _turns(chat: str, where: str, fields: Fields) -> Iterator[Message]:
    marks = list(_TURN.finditer(chat))
    if chat[: marks[0].start() if marks else None].strip():
        raise DataError(where, "'chat' does not begin with 'USER:' or 'ASSISTANT:'")
    for i, mark in enumerate(marks):
        what = f"chat turn {i + 1}"
        value = chat[mark.end() : marks[i + 1].start() if i + 1 < len(marks) else None].strip()
        value = value.removesuffix(_END).rstrip()
        if mark[1] == "FUNCTION RESPONSE":
            yield Message("tool", value)
        elif mark[1] == "USER":
            yield Message("user", value)
        elif mark[1] == "FUNCTION CALL" or "<functioncall>" in value:
            said, _, call = value.rpartition("<functioncall>")
            yield Message("assistant", said.strip(), (_call(call.strip(), what, where, fields),))
        else:
            yield Message("assistant", value)


def _call(value: str, what: str, where: str, fields: Fields) -> ToolCall:
    quoted = _QUOTED.fullmatch(value)
    if quoted is None:
        return fields.call(fields.decoded(value, f"{what}: <functioncall>", where, python=True), what, where)
    arguments = quoted[2]
    try:
        strict.loads(arguments)
    except (ValueError, RecursionError):
        arguments = arguments.replace("\\'", "'")
    try:
        name = strict.loads(quoted[1])
    except ValueError as error:
        raise DataError(where, f"{what}: the name is not JSON: {error}") from None
    return fields.call({"name": name, "arguments": arguments}, what, where)


def to_row(conversation: Conversation) -> JsonObject:
    """The row of marked text. Raises DataError for what would read back as something else."""
    where = place_of(conversation)
    no_train_marks(conversation, "glaive")
    no_text_beside_calls(conversation, "glaive")
    no_ids(conversation, "glaive")
    system, messages = opening(conversation)
    for message in messages:
        if message.role == "system":
            raise cannot(conversation, "glaive", "a system turn that is empty or not the first")
        if len(message.calls) > 1:
            raise cannot(conversation, "glaive", "several calls in a turn")
        if message.text != message.text.strip() or _TURN.search(message.text) or _END in message.text:
            raise cannot(conversation, "glaive", "a text with its own marks or white space around it")
        if "<functioncall>" in message.text:
            raise cannot(conversation, "glaive", "a text with '<functioncall>'")
    if _INTRODUCTION in system or system != system.strip() or system.startswith("SYSTEM:"):
        raise cannot(conversation, "glaive", "this system text")
    listed = "\n".join(json.dumps(tool, ensure_ascii=False, indent=4) for tool in tools_json(conversation.tools))
    head = (
        f"{system}\n\n{_INTRODUCTION}\n{listed}"
        if listed and system
        else f"{_INTRODUCTION}\n{listed}"
        if listed
        else system
    )
    return {
        **own_fields(conversation),
        "system": f"SYSTEM: {head}",
        "chat": "\n\n\n".join(_written(message, where) for message in messages),
    }


def _written(message: Message, where: str) -> str:
    end = f" {_END}" if message.role == "assistant" else ""
    said = message.text
    if message.calls:
        (call,) = message.calls
        said = f'<functioncall> {{"name": {dump(call.name, where)}, "arguments": \'{dump(call.arguments, where)}\'}}'
    return f"{_MARKS[message.role]}{said}{end}"
