"""ToolAlpaca rows <-> Conversations: one API with its functions a row, and many `Instances` of using it.

A function is text: its description, `Parameters: {name: "Required. string. One of: [a, b]. What it is."}`, its output.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from callwright.data import strict
from callwright.data.fields import Fields, dump, text
from callwright.data.files import kind_of
from callwright.data.limits import cannot, no_ids, no_train_marks, own_fields, place_of
from callwright.data.pairing import with_ids
from callwright.errors import DataError
from callwright.types import Conversation, JsonObject, Message, Tool

KEYS = ("Function_Description or Functions", "Instances")

_PARAMETERS = re.compile(r"^(?P<description>.*?)\n?Parameters: *(?P<parameters>\{.*\})\s*(?:\nOutput:.*)?\Z", re.DOTALL)
_LONGEST = 1 << 16  # the pattern above takes time with the square of the length
_REQUIRED = re.compile(r"(Required|Optional)\.\s*")
_TYPE = re.compile(r"(string|integer|number|boolean|array|object)\b(?:\[(?P<items>\w+)\])?[.,]?\s*", re.IGNORECASE)
_ONE_OF = re.compile(r"One of: \[(?P<values>[^\]]*)\]\.?\s*")


def matches(row: JsonObject) -> bool:
    """Whether a row is in this format, by its keys."""
    return isinstance(_functions(row), dict) and "Instances" in row


def _functions(row: JsonObject) -> Any:
    return row.get("Function_Description") or row.get("Functions")


def expand(row: JsonObject) -> Iterator[JsonObject]:
    """A raw row -> one row for each instance."""
    instances = row.get("Instances")
    if not isinstance(instances, list):
        yield row
        return
    for i, instance in enumerate(instances, 1):
        yield {**row, "id": f"{row.get('id', '')}-{i}", "Instances": [instance]}


def from_row(row: JsonObject, where: str, fields: Fields) -> Conversation:
    """A row of one instance: the request, each step's call with its observation, the final answer. Raises DataError."""
    functions, instances = _functions(row), row.get("Instances")
    if not isinstance(functions, dict):
        raise DataError(where, f"'Function_Description' is {kind_of(functions)}; it must be an object of texts")
    if not isinstance(instances, list) or len(instances) != 1 or not isinstance(instances[0], dict):
        raise DataError(where, "'Instances' must hold objects with 'input', 'intermediate_steps' and 'output'")
    tools = [_tool(name, written, where, fields) for name, written in functions.items() if name != "components"]
    instance = instances[0]
    messages = [Message("user", text(instance.get("input"), "'input'", where))]
    steps = instance.get("intermediate_steps") or []
    if not isinstance(steps, list):
        raise DataError(where, f"'intermediate_steps' is {kind_of(steps)}; it must be a list")
    for i, step in enumerate(steps):
        messages += _step(step, f"intermediate_steps[{i}]", where, fields)
    if instance.get("output"):
        messages.append(Message("assistant", text(instance["output"], "'output'", where)))
    return Conversation(
        id=text(row.get("id"), "'id'", where),
        tools=fields.tools(tools, where),
        messages=with_ids(messages),
        source=text(row.get("source"), "'source'", where),
        where=where,
    )


def _step(step: Any, what: str, where: str, fields: Fields) -> Iterator[Message]:
    """`[[name, arguments, log], observation]`."""
    if not isinstance(step, list) or len(step) != 2 or not isinstance(step[0], list) or len(step[0]) < 2:
        raise DataError(where, f"{what} must be [[name, arguments, log], observation]")
    name, arguments = step[0][:2]
    call = fields.call({"name": name, "arguments": arguments}, what, where)
    yield Message("assistant", "", (call,))
    # null is a call whose result nobody recorded; an empty result is a result
    if step[1] is not None:
        yield Message("tool", text(step[1], f"{what}[1]", where))


def _tool(name: str, written: Any, where: str, fields: Fields) -> JsonObject:
    if not isinstance(written, str):
        raise DataError(where, f"function '{name}' is {kind_of(written)}; it must be a text")
    if len(written) > _LONGEST:
        raise DataError(where, f"function '{name}' is a text of more than {_LONGEST} characters")
    found = _PARAMETERS.match(written)
    if found is None:
        return {"name": name, "description": written.partition("\nOutput:")[0].strip()}
    listed = fields.decoded(found["parameters"].partition("\nOutput:")[0], f"the parameters of '{name}'", where)
    if not isinstance(listed, dict):
        raise DataError(where, f"the parameters of '{name}' are {kind_of(listed)}; they must be an object")
    read = {key: _parameter(value) for key, value in listed.items()}
    parameters: JsonObject = {"type": "object", "properties": {key: schema for key, (schema, _) in read.items()}}
    if required := [key for key, (_, is_required) in read.items() if is_required]:
        parameters["required"] = required
    return {"name": name, "description": found["description"].strip(), "parameters": parameters}


def _parameter(written: Any) -> tuple[JsonObject, bool]:
    """`Required. string. One of: [a, b]. What it is.` -> schema, required. What is not said in these words is text."""
    rest = written if isinstance(written, str) else json.dumps(written)
    schema: JsonObject = {}
    required = _REQUIRED.match(rest)
    rest = rest[required.end() :] if required else rest
    if kind := _TYPE.match(rest):
        schema["type"] = kind[1].lower()
        if kind["items"]:
            schema["items"] = {"type": kind["items"].lower()} if _TYPE.match(kind["items"]) else {}
        rest = rest[kind.end() :]
    if one_of := _ONE_OF.match(rest):
        schema["enum"] = [value.strip() for value in one_of["values"].split(",")]
        if schema.get("type") in ("integer", "number", "boolean"):
            schema["enum"] = [_decoded(value) for value in schema["enum"]]
        rest = rest[one_of.end() :]
    if rest.strip():
        schema["description"] = rest.strip()
    return schema, bool(required and required[1] == "Required")


def _decoded(value: str) -> Any:
    try:
        return strict.loads(value.lower())
    except (ValueError, RecursionError):
        return value


def to_row(conversation: Conversation) -> JsonObject:
    """A row of one instance. Raises DataError for what its prose and steps cannot hold."""
    where = place_of(conversation)
    no_train_marks(conversation, "toolalpaca")
    no_ids(conversation, "toolalpaca")
    functions = {tool.name: _written(conversation, tool) for tool in conversation.tools}
    if len(functions) != len(conversation.tools):
        raise cannot(conversation, "toolalpaca", "two tools of one name")
    messages: Sequence[Message] = conversation.messages
    if not messages or messages[0].role != "user":
        raise cannot(conversation, "toolalpaca", "a row that does not begin with the user's request")
    steps, rest = [], list(messages[1:])
    while rest and rest[0].calls:
        answered = len(rest) > 1 and rest[1].role == "tool"
        if len(rest[0].calls) != 1 or rest[0].text or (not answered and len(rest) > 1):
            raise cannot(conversation, "toolalpaca", "a turn that is not one call followed by its result")
        (call,) = rest[0].calls
        steps.append([[call.name, dump(call.arguments, where), ""], rest[1].text if answered else None])
        rest = rest[2:]
    if [message.role for message in rest] not in ([], ["assistant"]) or (rest and not rest[0].text):
        raise cannot(conversation, "toolalpaca", "turns after the final answer, or an empty one")
    instance = {"input": messages[0].text, "intermediate_steps": steps, "output": rest[0].text if rest else ""}
    return {
        **own_fields(conversation),
        "Function_Description": {**functions, "components": ""},
        "Instances": [instance],
    }


def _written(conversation: Conversation, tool: Tool) -> str:
    properties = tool.parameters.get("properties") or {}
    required = tool.parameters.get("required") or []
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise cannot(conversation, "toolalpaca", f"the parameters of '{tool.name}'")
    listed = {name: _prose(schema, name in required) for name, schema in properties.items()}
    written = f"{tool.description}\nParameters: {json.dumps(listed, ensure_ascii=False)}\nOutput: "
    found = _tool(tool.name, written, conversation.where, Fields())
    if {"parameters": {"type": "object", "properties": {}}, **found} != {
        "name": tool.name,
        "description": tool.description,
        "parameters": {**tool.parameters, "properties": properties},
    } or tool.name == "components":
        raise cannot(conversation, "toolalpaca", f"the parameters of '{tool.name}' in its prose")
    return written


def _prose(schema: Any, required: bool) -> str:
    if not isinstance(schema, dict):
        return ""
    parts = ["Required." if required else "Optional."]
    if isinstance(schema.get("type"), str):
        items = schema.get("items")
        inner = f"[{items['type']}]" if isinstance(items, dict) and isinstance(items.get("type"), str) else ""
        parts.append(f"{schema['type']}{inner}.")
    if isinstance(schema.get("enum"), list):
        parts.append(f"One of: [{', '.join(str(value) for value in schema['enum'])}].")
    return " ".join([*parts, *([str(schema["description"])] if schema.get("description") else [])])
