"""ToolRL rows <-> Conversation: instruction with tools in prose, the dialogue so far as input, one turn as output.

The turns are tagged: `<user>`, `<think>`, `<tool_call>` (one JSON object a line), `<obs>`, `<response>`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from callwright.data import strict, tags
from callwright.data.fields import Fields, dump, text, tools_json
from callwright.data.limits import cannot, no_ids, opening, own_fields, place_of
from callwright.data.pairing import with_ids
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message, ToolCall

KEYS = ("instruction with **Available Tools**", "input", "output")

_TOOLS, _STEPS, _HISTORY = "**Available Tools**", "**Steps for Each Turn**", "**Dialogue Records History**"
_INTRODUCTION = (
    "You are a helpful multi-turn dialogue assistant capable of leveraging tool calls to solve user tasks and provide "
    "structured chat responses."
)
_STEPS_TEXT = f"""{_STEPS}
1. Think about the user's goal between <think> tags.
2. If tools are needed, write each call as a JSON object with "name" and "parameters" between <tool_call> tags.
3. If an answer is due, write it between <response> tags."""
_TOOL = re.compile(
    r"^\d+\. Name: (?P<name>.*)\n^Description:(?P<description>[\s\S]*?)\n^Parameters: (?P<parameters>.*)$", re.MULTILINE
)
_NUMBER = re.compile(r"^\d+\. Name: ", re.MULTILINE)
_TAG = re.compile(r"<(user|think|tool_call|obs|response)>")
_MARKS = tuple(f"<{slash}{tag}>" for tag in ("user", "think", "tool_call", "obs", "response") for slash in ("", "/"))


def matches(row: JsonObject) -> bool:
    """Whether a row's instruction lists tools in this format's words."""
    instruction = row.get("instruction")
    return isinstance(instruction, str) and _TOOLS in instruction and "output" in row


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """The whole dialogue; only the turn in `output` is trained, as in the data set. Raises DataError."""
    instruction = text(row.get("instruction"), "'instruction'", where)
    before, _, listed = instruction.partition(_TOOLS)
    system = before.strip().removeprefix(_INTRODUCTION).strip()
    history = text(row.get("input"), "'input'", where).strip().removeprefix(_HISTORY)
    turns = list(_turns(history, "'input'", where, fields, train=False))
    answer = list(_turns(text(row.get("output"), "'output'", where), "'output'", where, fields, train=None))
    messages = with_ids([*turns, *answer])
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(_tools(listed.partition(_STEPS)[0], where, fields), where),
        messages=(Message("system", system), *messages) if system else messages,
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def _tools(listed: str, where: str, fields: Fields) -> list[JsonObject]:
    starts = [head.start() for head in _NUMBER.finditer(listed)]
    read = [_TOOL.match(listed, start, end) for start, end in pairwise([*starts, len(listed)])]
    found = [tool for tool in read if tool is not None]
    if len(found) != len(starts):
        raise DataError(where, f"'instruction': only {len(found)} of {len(starts)} tools can be read")
    return [
        {
            "name": tool["name"].strip(),
            "description": tool["description"].strip(),
            "parameters": fields.decoded(tool["parameters"], f"'instruction': tool {i}", where, python=True),
        }
        for i, tool in enumerate(found, 1)
    ]


def _turns(value: str, what: str, where: str, fields: Fields, *, train: bool | None) -> Iterator[Message]:
    """Tagged text -> turns; thoughts, calls and a response that follow each other are one turn of the assistant."""
    thought = ""
    said: list[str] = []
    calls: list[ToolCall] = []

    def turn() -> Iterator[Message]:
        if thought or said or calls:
            yield Message("assistant", "\n".join(said), tuple(calls), train=train, thinking=thought)

    for tag, body in _tagged(value, what, where):
        if tag in ("user", "obs"):
            yield from turn()
            thought, said, calls = "", [], []
            yield from [Message("user", body)] if tag == "user" else _results(body)
        elif tag == "tool_call":
            for raw in tags.objects(body, f"{what}: <tool_call>", where, fields):
                calls.append(fields.call(raw, f"{what}: call {len(calls) + 1}", where))
        elif tag == "think":
            yield from turn()
            thought, said, calls = body, [], []
        else:
            said.append(body)
    yield from turn()


def _tagged(value: str, what: str, where: str) -> Iterator[tuple[str, str]]:
    value = value.strip()
    place = 0
    while place < len(value):
        opening = _TAG.match(value, place)
        if opening is None:
            raise DataError(where, f"{what}: text outside of the tags: {value[place : place + 60]!r}")
        closing = f"</{opening[1]}>"
        end = value.find(closing, opening.end())
        if end < 0:
            raise DataError(where, f"{what}: <{opening[1]}> is never closed")
        yield opening[1], value[opening.end() : end].strip()
        place = tags.after_space(value, end + len(closing))


def _results(body: str) -> Iterator[Message]:
    """`[{"name", "results"}, ...]` as a result each; anything else as it stands."""
    try:
        listed = strict.loads(body)
    except (ValueError, RecursionError):
        listed = None
    if isinstance(listed, list) and listed and all(_is_result(item) for item in listed):
        for item in listed:
            results = item["results"]
            shown = results if isinstance(results, str) else json.dumps(results, ensure_ascii=False)
            yield Message("tool", shown, name=item["name"])
        return
    yield Message("tool", body)


def _is_result(item: Any) -> bool:
    return isinstance(item, dict) and set(item) == {"name", "results"} and isinstance(item["name"], str)


def to_row(conversation: Conversation) -> JsonObject:
    """The row whose output is the last turn. Raises DataError for what would read back as something else."""
    where = place_of(conversation)
    system, messages = opening(conversation)
    _check(conversation, messages, system)
    listed = "\n".join(
        f"{i}. Name: {tool['name']}\nDescription: {tool['description']}\nParameters: {dump(tool['parameters'], where)}"
        for i, tool in enumerate(tools_json(conversation.tools), 1)
    )
    head = f"{_INTRODUCTION}\n\n{system}\n\n" if system else f"{_INTRODUCTION}\n\n"
    history = "\n\n".join(part for part in _written(messages[:-1], where))
    return {
        **own_fields(conversation),
        "instruction": f"{head}{_TOOLS}\nYou can use the following tools:\n{listed}\n\n{_STEPS_TEXT}",
        "input": f"{_HISTORY}\n{history}",
        "output": next(_written(messages[-1:], where)),
    }


def _check(conversation: Conversation, messages: Sequence[Message], system: str) -> None:
    if not messages or messages[-1].role != "assistant":
        raise cannot(conversation, "toolrl", "a row whose last turn is not the assistant's")
    earlier = [message.train for message in messages[:-1] if message.role == "assistant"]
    if any(train is not False for train in earlier):
        raise cannot(conversation, "toolrl", "more than one trained turn: mark the earlier ones with train: false")
    if messages[-1].train is not None:
        raise cannot(conversation, "toolrl", "a 'train' mark on the last turn")
    no_ids(conversation, "toolrl")
    for last, message in pairwise(messages):
        if last.role == message.role == "assistant" and not message.thinking:
            raise cannot(conversation, "toolrl", "two turns of the assistant in a row")
    for message in messages:
        if message.role == "system":
            raise cannot(conversation, "toolrl", "a system turn that is empty or not the first")
        parts = (message.thinking, message.text)
        if (
            any(mark in part for part in parts for mark in _MARKS)
            or any(part != part.strip() for part in parts)
            or not (any(parts) or message.calls)
        ):
            raise cannot(conversation, "toolrl", "a text that is empty, has its own tags, or white space around it")
        if any(mark in dump(call.arguments, "") for call in message.calls for mark in ("</tool_call>",)):
            raise cannot(conversation, "toolrl", "'</tool_call>' inside a call")
    for tool in conversation.tools:
        if (
            "\n" in tool.name
            or tool.name != tool.name.strip()
            or tool.description != tool.description.strip()
            or "\nParameters:" in tool.description
            or _STEPS in tool.description
        ):
            raise cannot(conversation, "toolrl", f"the tool {tool.name!r} in its prose")
    if _TOOLS in system or system != system.strip() or system.startswith(_INTRODUCTION):
        raise cannot(conversation, "toolrl", "this system text")


def _written(messages: Sequence[Message], where: str) -> Iterator[str]:
    results: list[JsonObject] = []
    for place, message in enumerate(messages):
        if message.role == "tool":
            results.append({"name": message.name, "results": message.text})
            if place + 1 == len(messages) or messages[place + 1].role != "tool":
                alone = len(results) == 1 and not message.name
                yield f"<obs> {message.text if alone else dump(results, where)} </obs>"
                results = []
        elif message.role == "user":
            yield f"<user> {message.text} </user>"
        else:
            calls = [dump({"name": call.name, "parameters": call.arguments}, where) for call in message.calls]
            parts = [f"<think> {message.thinking} </think>"] if message.thinking else []
            parts += ["<tool_call>\n" + "\n".join(calls) + "\n</tool_call>"] if calls else []
            parts += [f"<response> {message.text} </response>"] if message.text else []
            yield "\n".join(parts)
