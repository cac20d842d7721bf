"""A list of role/content messages -> Messages: OpenAI's shape, our own, and mixtures of both."""

from __future__ import annotations

import json
from typing import Any

from callwright.data.fields import Fields, text
from callwright.data.files import kind_of
from callwright.data.thinking import thinking_of
from callwright.errors import DataError, did_you_mean
from callwright.types import JsonObject, Message, Role, ToolCall

ROLES: dict[str, Role] = {
    **{"system": "system", "developer": "system", "user": "user", "assistant": "assistant"},
    **{"tool": "tool", "function": "tool"},
}

_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal"})


def read_messages(raw: Any, where: str, fields: Fields) -> tuple[Message, ...]:
    """Messages as a list or a JSON string of one. Keys whose value is null count as absent: Arrow fills them in.

    Raises DataError for an unknown role, content that is not text, and calls that cannot be read.
    """
    if isinstance(raw, str):
        raw = fields.decoded(raw, "'messages'", where)
    if not isinstance(raw, list):
        raise DataError(where, f"'messages' is {kind_of(raw)}; it must be a list")
    return tuple([_message(item, f"messages[{i}]", where, fields) for i, item in enumerate(raw)])


def _message(raw: Any, what: str, where: str, fields: Fields) -> Message:
    if not isinstance(raw, dict):
        raise DataError(where, f"{what} is {kind_of(raw)}; it must be an object with a role and content")
    role = known_role(raw.get("role"), ROLES, what, where)
    content = raw.get("content")
    content = content if isinstance(content, str) else _content(raw, role, f"{what}.content", where)
    if role == "assistant":
        thinking, content = thinking_of(raw, content, what, where)
        calls, train = _calls(raw, what, where, fields), train_flag(raw, what, where)
        return Message(role, content, calls=calls, train=train, thinking=thinking)
    if role == "tool":
        call_id = text(raw.get("tool_call_id"), f"{what}.tool_call_id", where)
        return Message(role, content, call_id=call_id, name=text(raw.get("name"), f"{what}.name", where))
    if raw.get("tool_calls") or raw.get("function_call"):
        raise DataError(where, f"{what} is a {role} turn with calls; only the assistant calls")
    return Message(role, content)


def known_role(raw: Any, roles: dict[str, Role], what: str, where: str) -> Role:
    """The role behind a name that a format uses. Raises DataError with the known names."""
    role = roles.get(raw) if isinstance(raw, str) else None
    if role is None:
        near = did_you_mean(raw, roles) if isinstance(raw, str) else ""
        raise DataError(where, f"{what} has the unknown role {raw!r}{near}; known are {', '.join(roles)}")
    return role


def train_flag(raw: JsonObject, what: str, where: str) -> bool | None:
    """Our `train`, or OpenAI's `weight` of 0 or 1; None where neither is given."""
    flag = raw.get("train") if raw.get("train") is not None else raw.get("weight")
    if flag is None or flag in (0, 1):
        return None if flag is None else bool(flag)
    raise DataError(where, f"{what}: 'train' must be true or false, 'weight' 0 or 1; not {flag!r}")


def _content(raw: JsonObject, role: Role, what: str, where: str) -> str:
    content = raw.get("content")
    if content is None:
        return text(raw.get("refusal"), what, where)
    if isinstance(content, list) and all(isinstance(part, str | dict) for part in content):
        texts = [_part(part, role, what, where) for part in content]
        if None not in texts:
            return "".join(part for part in texts if part is not None)
    if role == "tool":
        # a result is data: what is not text yet becomes its JSON text
        return json.dumps(content, ensure_ascii=False, default=str)
    raise DataError(where, f"{what} is {kind_of(content)}; it must be a text or a list of text parts")


def _part(part: str | JsonObject, role: Role, what: str, where: str) -> str | None:
    """The text of one part; None for an object that is no part at all."""
    if isinstance(part, str):
        return part if role != "tool" else None
    kind = part.get("type")
    if isinstance(kind, str) and kind in _TEXT_PARTS:
        return text(part.get("text") if kind != "refusal" else part.get("refusal"), what, where)
    if role == "tool":
        return None
    raise DataError(where, f"{what} holds a part of type {kind!r}; only text parts can be read")


def _calls(raw: JsonObject, what: str, where: str, fields: Fields) -> tuple[ToolCall, ...]:
    calls = raw.get("tool_calls")
    if isinstance(calls, str):
        calls = fields.decoded(calls, f"{what}.tool_calls", where)
    if not calls:
        legacy = raw.get("function_call")
        return (fields.call(legacy, f"{what}.function_call", where),) if legacy else ()
    if not isinstance(calls, list):
        raise DataError(where, f"{what}.tool_calls is {kind_of(calls)}; it must be a list")
    return tuple([fields.call(call, f"{what}.tool_calls[{i}]", where) for i, call in enumerate(calls)])
