"""Hermes function calling rows <-> Conversation: tools in the system text, calls and results in tags.

The data set `NousResearch/hermes-function-calling-v1` and its likes: ShareGPT turns, `<tools>` in the system turn (or a
`tools` column), `<tool_call>` in gpt's turns, `<tool_response>` in those of the tool.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from callwright.data import strict, tags
from callwright.data.chat import known_role, train_flag
from callwright.data.fields import Fields, dump, text, tools_json
from callwright.data.files import kind_of
from callwright.data.limits import cannot, no_ids, own_fields, place_of
from callwright.data.pairing import with_ids
from callwright.data.sharegpt import FROM
from callwright.data.thinking import before_text, split_thinking
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message, ToolCall

KEYS = ("conversations with <tools> or <tool_call>",)

_WRITTEN = {"user": "human", "assistant": "gpt", "tool": "tool", "system": "system"}
_MARKS = ("<tools>", "</tools>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
# where the instructions about tools begin: in the data set's own prompts, in Qwen's template, and in ours below
_HEADS = re.compile(
    r"You are a function calling AI model\.|You are provided with function signatures within <tools>|# Tools\n|"
    r"(?<![^\n])[^\n]*<tools>"
)
_HEAD = "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
_TAIL = (
    '\n</tools>\nFor each function call return a JSON object {"name": <function-name>, "arguments": <args-dict>} '
    "within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-dict>}\n</tool_call>'
)


def matches(row: JsonObject) -> bool:
    """Whether a row's turns hold the tags."""
    turns = row.get("conversations")
    return isinstance(turns, list) and any(_is_tagged(turn) for turn in turns)


def _is_tagged(turn: Any) -> bool:
    value = turn.get("value") if isinstance(turn, dict) else None
    marks = {"system": "<tools>", "gpt": "<tool_call>", "assistant": "<tool_call>"}
    return isinstance(value, str) and isinstance(turn.get("from"), str) and marks.get(turn["from"], "\0") in value


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """A row of turns. The instructions about tools leave the system text: dialects write their own."""
    turns = row.get("conversations")
    if isinstance(turns, str):
        turns = fields.decoded(turns, "'conversations'", where)
    if not isinstance(turns, list):
        raise DataError(where, f"'conversations' is {kind_of(turns)}; it must be a list of turns")
    tools: Any = row.get("tools")
    messages: list[Message] = []
    for i, turn in enumerate(turns):
        what = f"conversations[{i}]"
        if not isinstance(turn, dict):
            raise DataError(where, f"{what} is {kind_of(turn)}; it must be an object with 'from' and 'value'")
        role = known_role(turn.get("from"), FROM, what, where)
        value = text(turn.get("value"), f"{what}.value", where)
        if role == "system":
            value, declared = _system(value, what, where, fields)
            tools = tools or declared
            messages += [Message("system", value)] if value or declared is None else []
        elif role == "assistant":
            thinking, value = split_thinking(value)
            said, calls = _answer(value, what, where, fields)
            train = train_flag(turn, what, where)
            messages.append(Message("assistant", said, calls, train=train, thinking=thinking))
        elif role == "tool":
            messages += _results(value, what, where)
        else:
            messages.append(Message(role, value))
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(tools, where, python=True),
        messages=with_ids(messages),
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def _system(value: str, what: str, where: str, fields: Fields) -> tuple[str, list[Any] | None]:
    """System text without the instructions about tools, and the tools; None where it declares none."""
    last = value.rfind("<tools>", 0, value.rfind("</tools>") + 1 or None)
    end = value.find("</tools>", last)
    if last < 0 or end < 0:
        return value, None
    declared = tags.objects(value[last + len("<tools>") : end], f"{what}: <tools>", where, fields)
    tools = [tool for item in declared for tool in (item if isinstance(item, list) else [item])]
    head = _HEADS.search(value)
    before = value[: min(head.start() if head else last, last)].rstrip()
    example = value.rfind("</tool_call>")
    after = value[example + len("</tool_call>") if example > end else end + len("</tools>") :].strip()
    return "\n\n".join(part for part in (before, after) if part), tools


def _answer(value: str, what: str, where: str, fields: Fields) -> tuple[str, tuple[ToolCall, ...]]:
    if "<tool_call>" not in value:
        return value, ()
    said: list[str] = []
    calls: list[ToolCall] = []
    try:
        for inside, piece in tags.pieces(value, "tool_call"):
            if not inside:
                said.append(piece.strip("\n"))
                continue
            for raw in tags.objects(piece, f"{what}: <tool_call>", where, fields):
                listed = raw if isinstance(raw, list) else [raw]
                calls += [fields.call(item, f"{what}: call {len(calls) + 1}", where) for item in listed]
    except ValueError as error:
        raise DataError(where, f"{what}: {error}") from None
    return "\n".join(part for part in said if part), tuple(calls)


def _results(value: str, what: str, where: str) -> Iterator[Message]:
    """One result for each tag; a result of `{"name", "content"}` is the named tool's content."""
    if "<tool_response>" not in value:
        yield Message("tool", value)
        return
    try:
        found = list(tags.pieces(value, "tool_response"))
    except ValueError as error:
        raise DataError(where, f"{what}: {error}") from None
    for inside, piece in found:
        if not piece.strip():
            continue
        body = piece.strip("\n")
        if not inside:
            raise DataError(where, f"{what}: text between tool responses: {body.strip()[:60]!r}")
        yield _result(body)


def _result(body: str) -> Message:
    try:
        value = strict.loads(body)
    except (ValueError, RecursionError):
        return Message("tool", body)
    if isinstance(value, dict) and set(value) == {"name", "content"} and isinstance(value["name"], str):
        content = value["content"]
        return Message(
            "tool", content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), name=value["name"]
        )
    return Message("tool", body)


def to_row(conversation: Conversation) -> JsonObject:
    """The row of turns. Raises DataError for tags inside texts, a later system turn, and results out of order."""
    where = place_of(conversation)
    no_ids(conversation, "hermes")
    for message in conversation.messages:
        if any(mark in message.text for mark in _MARKS):
            raise cannot(conversation, "hermes", "its own tags inside a text")
    messages = conversation.messages
    first = messages[0] if messages and messages[0].role == "system" else None
    system = first.text if first else ""
    if conversation.tools:
        head = _HEADS.search(system)
        if head or system != system.strip() or (first and not system):
            raise cannot(conversation, "hermes", "this system text beside tools: its end could not be told from theirs")
        listed = "[" + ", ".join(
            dump({"type": "function", "function": t}, where) for t in tools_json(conversation.tools)
        )
        if any(mark in listed for mark in _MARKS):
            raise cannot(conversation, "hermes", "its own tags inside a tool")
        block = _HEAD + listed + "]" + _TAIL
        system = f"{system}\n\n{block}" if system else block
    turns: list[JsonObject] = [{"from": "system", "value": system}] if system or first else []
    turns += _turns(conversation, messages[1:] if first else messages, where)
    return {**own_fields(conversation), "conversations": turns}


def _turns(conversation: Conversation, messages: Sequence[Message], where: str) -> Iterator[JsonObject]:
    results: list[str] = []
    for place, message in enumerate(messages):
        if message.role == "tool":
            body = dump({"name": message.name, "content": message.text}, where) if message.name else message.text
            if not message.name and (_result(body) != Message("tool", body) or body != body.strip("\n")):
                raise cannot(conversation, "hermes", "a nameless result of this form")
            results.append(f"<tool_response>\n{body}\n</tool_response>")
            if place + 1 == len(messages) or messages[place + 1].role != "tool":
                yield {"from": "tool", "value": "\n".join(results)}
                results = []
            continue
        if message.role == "system" and conversation.tools and "<tools>" in message.text:
            raise cannot(conversation, "hermes", "a second system turn with tools")
        flag = {} if message.train is None else {"train": message.train}
        calls = [
            f"<tool_call>\n{dump({'name': c.name, 'arguments': c.arguments}, where)}\n</tool_call>"
            for c in message.calls
        ]
        if message.calls and message.text != message.text.strip("\n"):
            raise cannot(conversation, "hermes", "line breaks around text beside calls")
        yield {
            "from": _WRITTEN[message.role],
            "value": before_text(message) + "\n".join([*([message.text] if message.text else []), *calls]),
            **flag,
        }
