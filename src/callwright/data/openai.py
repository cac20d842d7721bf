"""OpenAI chat rows <-> Conversation: tool_calls and tools with a "function" inside, and the older function_call."""

from __future__ import annotations

import re

from callwright.data.chat import read_messages
from callwright.data.fields import Fields, dump, text, tools_json
from callwright.data.limits import own_fields
from callwright.data.pairing import with_ids, with_names
from callwright.types import Conversation, JsonObject, Message, ToolCall

KEYS = ("messages", "tools or functions")

_WRAPPED = re.compile(r'"type"\s*:\s*"function"')


def matches(row: JsonObject) -> bool:
    """Whether a row shows that it is OpenAI's: a row of plain texts is as well ours, and is read alike."""
    messages, tools = row.get("messages"), row.get("tools")
    if "messages" not in row:
        return False
    if row.get("functions") or (isinstance(tools, str) and _WRAPPED.search(tools)):
        return True
    if isinstance(tools, list) and any(isinstance(tool, dict) and tool.get("function") for tool in tools):
        return True
    return isinstance(messages, list) and any(isinstance(item, dict) and _is_openai(item) for item in messages)


def _is_openai(message: JsonObject) -> bool:
    if message.get("role") in ("developer", "function") or message.get("function_call"):
        return True
    calls = message.get("tool_calls")
    return isinstance(calls, list) and any(isinstance(call, dict) and call.get("function") for call in calls)


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """A row of OpenAI's; request options such as parallel_tool_calls are ignored. Raises DataError."""
    tools = row.get("tools")
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(tools if tools is not None else row.get("functions"), where),
        messages=with_names(read_messages(row.get("messages"), where, fields)),
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def to_row(conversation: Conversation) -> JsonObject:
    """A row that OpenAI's fine-tuning and the chat templates read: arguments as JSON strings, an id for every call."""
    row: JsonObject = {"messages": [_message(item) for item in with_ids(conversation.messages, every_call=True)]}
    if conversation.tools:
        row["tools"] = [{"type": "function", "function": tool} for tool in tools_json(conversation.tools)]
    return {**own_fields(conversation), **row}


def _message(message: Message) -> JsonObject:
    if message.role == "tool":
        name = {"name": message.name} if message.name else {}
        return {"role": "tool", "tool_call_id": message.call_id, **name, "content": message.text}
    row: JsonObject = {"role": message.role, "content": message.text}
    if message.thinking:
        row["reasoning_content"] = message.thinking
    if message.calls:
        row["content"] = message.text or None
        row["tool_calls"] = [_call(call) for call in message.calls]
    if message.train is not None:
        row["weight"] = int(message.train)
    return row


def _call(call: ToolCall) -> JsonObject:
    arguments = dump(call.arguments, f"call of {call.name}")
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
