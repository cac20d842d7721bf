"""One row, a seed -> another row that is as right as the first: other tools, names, words, or nothing to call.

Each function returns None where the row does not offer what it needs; none of them touches a row that it cannot keep
right. `augmentations` names them for recipes and the command line.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from callwright.data.similar import ToolIndex
from callwright.errors import DataError, did_you_mean
from callwright.types import Conversation, JsonObject, Message, Tool, ToolCall

Augmentation = Callable[[Conversation, random.Random, "Around"], Conversation | None]


@dataclass(frozen=True)
class Around:
    """What lies about the row: tools of other rows for distractors, and other rows to join with."""

    tools: Sequence[Tool] = ()
    rows: Sequence[Conversation] = ()

    @cached_property
    def index(self) -> ToolIndex:
        """The tools by their words, built when it is first asked for."""
        return ToolIndex(self.tools)


def shuffle_tools(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """The same tools in another order."""
    if len(row.tools) < 2:
        return None
    return _made(row, "shuffle_tools", tools=tuple(rng.sample(row.tools, len(row.tools))))


def random_distractors(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """One to eight tools of other rows among the row's own."""
    return _with_distractors(row, rng, _others(row, around.tools), "random_distractors")


def near_distractors(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """One to four tools whose descriptions are nearest to those of the tools that are called."""
    called = {call.name for message in row.messages for call in message.calls}
    wanted = [tool for tool in row.tools if tool.name in called]
    if not wanted:
        return None
    near = [tool for one in wanted for tool in around.index.nearest(one, 4 + len(row.tools))]
    return _with_distractors(row, rng, _others(row, near)[:4], "near_distractors", 4)


def _others(row: Conversation, tools: Sequence[Tool]) -> list[Tool]:
    own = {tool.name for tool in row.tools}
    # a tool of equal words would make two right answers
    said = {tool.description.casefold() for tool in row.tools if tool.description}
    return [tool for tool in tools if tool.name not in own and tool.description.casefold() not in said]


def _with_distractors(
    row: Conversation, rng: random.Random, others: Sequence[Tool], name: str, most: int = 8
) -> Conversation | None:
    distinct = list({tool.name: tool for tool in others}.values())
    if not distinct or not row.tools:
        return None
    added = rng.sample(distinct, min(len(distinct), rng.randint(1, most)))
    tools = [*row.tools]
    for tool in added:
        tools.insert(rng.randint(0, len(tools)), tool)
    return _made(row, name, tools=tuple(tools))


_STYLES: dict[str, Callable[[list[str]], str]] = {
    "snake": "_".join,
    "camel": lambda words: words[0] + "".join(word.capitalize() for word in words[1:]),
    "pascal": lambda words: "".join(word.capitalize() for word in words),
    "flat": "".join,
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def rename(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """Every tool and parameter in another naming style, in schemas, calls and results alike.

    A row whose texts mention a tool by name, whose calls do not fit their tools' parameters, or which has two tools of
    one name, is left alone.
    """
    texts = "\n".join(message.text for message in row.messages)
    style = _STYLES[rng.choice(sorted(_STYLES))]
    tools = {tool.name: _styled(tool.name, style) for tool in row.tools}
    if not tools or any(name in texts for name in tools) or len(set(tools.values())) != len(row.tools):
        return None
    parameters: dict[str, dict[str, str]] = {}
    for tool in row.tools:
        names = {name: _styled(name, style) for name in tool.parameters.get("properties") or {}}
        if len(set(names.values())) != len(names) or _refers_to_properties(tool.parameters):
            return None
        parameters[tool.name] = names
    if all(old == new for names in (tools, *parameters.values()) for old, new in names.items()):
        return None
    messages = []
    for message in row.messages:
        if any(
            call.name not in tools or call.arguments.keys() - parameters[call.name].keys() for call in message.calls
        ):
            return None
        calls = tuple(
            ToolCall(tools[call.name], {parameters[call.name][k]: v for k, v in call.arguments.items()}, call.id)
            for call in message.calls
        )
        messages.append(replace(message, calls=calls, name=tools.get(message.name, message.name)))
    renamed = tuple(_renamed(tool, tools[tool.name], parameters[tool.name]) for tool in row.tools)
    return _made(row, "rename", tools=renamed, messages=tuple(messages))


def _styled(name: str, style: Callable[[list[str]], str]) -> str:
    """The name's words in a style; a name that is not made of words stays."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or "".join(words) != re.sub(r"[_\-]", "", name).lower() or words[0].isdigit():
        return name
    return style(words)


def _refers_to_properties(parameters: JsonObject) -> bool:
    """Whether the schema names its properties outside of `properties` and `required`."""
    return any(
        key in parameters for key in ("dependentRequired", "dependentSchemas", "if", "allOf", "anyOf", "oneOf", "not")
    )


def _renamed(tool: Tool, name: str, names: dict[str, str]) -> Tool:
    parameters = {
        **tool.parameters,
        "properties": {names[k]: v for k, v in (tool.parameters.get("properties") or {}).items()},
    }
    if "required" in parameters:
        parameters["required"] = [names.get(k, k) for k in parameters["required"]]
    return Tool(name, tool.description, parameters)


def drop_descriptions(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """Descriptions of parameters left out, all or each with even odds; the tools keep their own."""
    every = rng.random() < 0.5
    tools = tuple(
        _with_descriptions(tool, lambda text: "" if every or rng.random() < 0.5 else text) for tool in row.tools
    )
    return _made(row, "drop_descriptions", tools=tools) if tools != row.tools else None


def shorten_descriptions(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """Every description cut after its first sentence."""
    tools = tuple(
        replace(_with_descriptions(tool, _first_sentence), description=_first_sentence(tool.description))
        for tool in row.tools
    )
    return _made(row, "shorten_descriptions", tools=tools) if tools != row.tools else None


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", text.strip(), maxsplit=1)[0]


def _with_descriptions(tool: Tool, change: Callable[[str], str]) -> Tool:
    properties: JsonObject = {}
    for name, schema in (tool.parameters.get("properties") or {}).items():
        if isinstance(schema, dict) and isinstance(schema.get("description"), str):
            text = change(schema["description"])
            schema = {**schema, "description": text}
            if not text:
                del schema["description"]
        properties[name] = schema
    return replace(tool, parameters={**tool.parameters, "properties": properties})


_REFUSALS = (
    "I can't do that with the functions I have.",
    "None of my functions can do that.",
    "Sorry, I have no function for that.",
    "That is not something I can do here.",
)


def withhold(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """The tools of the first calls taken away: the answer becomes a refusal, and the row ends there.

    Left alone are rows that would keep no tool, and rows of several first calls of which some could still be made.
    """
    place = next((i for i, message in enumerate(row.messages) if message.calls), None)
    if place is None:
        return None
    called = {call.name for call in row.messages[place].calls}
    left = tuple(tool for tool in row.tools if tool.name not in called)
    if not left or len(left) == len(row.tools):
        return None
    answer = Message("assistant", rng.choice(_REFUSALS))
    return _made(row, "withhold", tools=left, messages=(*row.messages[:place], answer))


def drop_value(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """A required value cut out of the request: the answer becomes a question for it, and the row ends there.

    The value must stand once in the request, word for word, and be nobody else's in the call.
    """
    if [message.role for message in row.messages[:2]] != ["user", "assistant"] or len(row.messages[1].calls) != 1:
        return None
    request, call = row.messages[0], row.messages[1].calls[0]
    tool = next((tool for tool in row.tools if tool.name == call.name), None)
    if tool is None:
        return None
    required = [name for name in tool.parameters.get("required") or () if name in call.arguments]
    for name in rng.sample(required, len(required)):
        shortened = _without(request.text, call.arguments[name], [v for k, v in call.arguments.items() if k != name])
        if shortened is not None:
            answer = Message("assistant", _question(name, tool))
            return _made(row, "drop_value", messages=(replace(request, text=shortened), answer))
    return None


# a word that leads to a value, and means nothing without it
_LEADS = r"(?:(?:at|in|on|to|for|from|of|with|by|near|as|the|a|an|is|named|called|about|until|till|than|=|:)\s+)*"


def _without(text: str, value: Any, others: Sequence[Any]) -> str | None:
    said = value if isinstance(value, str) else str(value)
    if (
        isinstance(value, bool | list | dict)
        or not said.strip()
        or any(said.casefold() in str(o).casefold() for o in others)
    ):
        return None
    pattern = re.compile(rf"\s*{_LEADS}['\"]?(?<!\w){re.escape(said)}(?!\w)['\"]?", re.IGNORECASE)
    if len(re.findall(rf"(?<!\w){re.escape(said)}(?!\w)", text, re.IGNORECASE)) != 1:
        return None
    left = re.sub(r"\s+([,.?!])", r"\1", pattern.sub(" ", text, count=1)).strip(" ,;")
    left = re.sub(r"\s{2,}", " ", left)
    return left if len(left.split()) >= 2 and left != text else None


def _question(name: str, tool: Tool) -> str:
    schema = (tool.parameters.get("properties") or {}).get(name)
    words = " ".join(_WORD.findall(name)).lower()
    choices = schema.get("enum") if isinstance(schema, dict) else None
    if choices and len(choices) <= 5:
        return f"Which {words}: {', '.join(map(str, choices))}?"
    return f"Which {words} do you mean?"


_JOINTS = (" and ", ", and ", ", then ", ". Also, ", "; ")


def join(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """Two requests in one, with the calls of both in order. Both rows must be one request and its calls."""
    others = [other for other in around.rows if _is_request(other) and other.id != row.id]
    if not _is_request(row) or not others:
        return None
    other = rng.choice(others)
    tools = {tool.name: tool for tool in row.tools}
    if any(tools.get(tool.name, tool) != tool for tool in other.tools):
        return None
    first, second = row.messages[0].text.strip().rstrip(".!"), other.messages[0].text.strip()
    if not first or not second or first[-1] == "?":
        return None
    joint = rng.choice(_JOINTS)
    second = second if second.startswith("I ") or "." in joint else second[0].lower() + second[1:]
    tools |= {tool.name: tool for tool in other.tools}
    calls = (*row.messages[1].calls, *other.messages[1].calls)
    messages = (
        Message("user", first + joint + second),
        Message("assistant", "", tuple(replace(c, id="") for c in calls)),
    )
    made = _made(row, "join", tools=tuple(tools.values()), messages=messages)
    origin = [*made.provenance["origin"], *_origin(other)]
    return replace(made, id=f"{made.id}+{other.id}", provenance={**made.provenance, "origin": origin})


def _is_request(row: Conversation) -> bool:
    roles = [message.role for message in row.messages]
    return roles == ["user", "assistant"] and bool(row.messages[1].calls) and not row.messages[1].text


def restyle(row: Conversation, rng: random.Random, around: Around) -> Conversation | None:
    """Schemas that say the same in another way: enum as `anyOf` of consts, keywords in another order, titles added."""
    way = rng.choice((_titled, _reordered, _as_consts))
    tools = tuple(
        replace(
            tool,
            parameters={
                **tool.parameters,
                "properties": {
                    name: way(name, schema) if isinstance(schema, dict) else schema
                    for name, schema in (tool.parameters.get("properties") or {}).items()
                },
            },
        )
        for tool in row.tools
    )
    as_text = [[*tool.parameters["properties"].items()] for tool in row.tools if "properties" in tool.parameters]
    changed = [[*tool.parameters["properties"].items()] for tool in tools]
    return _made(row, "restyle", tools=tools) if str(changed) != str(as_text) else None


def _titled(name: str, schema: JsonObject) -> JsonObject:
    return {"title": " ".join(word.capitalize() for word in _WORD.findall(name)) or name, **schema}


def _reordered(name: str, schema: JsonObject) -> JsonObject:
    return dict(reversed(schema.items()))


def _as_consts(name: str, schema: JsonObject) -> JsonObject:
    if not isinstance(schema.get("enum"), list) or "anyOf" in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "enum"}
    return {**rest, "anyOf": [{"const": value} for value in schema["enum"]]}


def _made(row: Conversation, name: str, **changes: Any) -> Conversation:
    """The row with changes, marked with what made it."""
    steps = [*row.provenance.get("augmented", ()), name]
    provenance = {**row.provenance, "augmented": steps, "origin": _origin(row)}
    return replace(row, id=f"{row.id}~{name}", provenance=provenance, **changes)


def _origin(row: Conversation) -> list[str]:
    """The ids of the rows that a row was made of: a split keeps them on one side."""
    return list(row.provenance.get("origin") or [row.id])


augmentations: dict[str, Augmentation] = {
    "shuffle_tools": shuffle_tools,
    "random_distractors": random_distractors,
    "near_distractors": near_distractors,
    "rename": rename,
    "drop_descriptions": drop_descriptions,
    "shorten_descriptions": shorten_descriptions,
    "withhold": withhold,
    "drop_value": drop_value,
    "join": join,
    "restyle": restyle,
}


def augmented(
    rows: Sequence[Conversation], kinds: Sequence[str], copies: float, rng: random.Random
) -> tuple[list[Conversation], dict[str, int]]:
    """About `copies` new rows for each row, of the given kinds in turn; and how many of each kind were made.

    Raises DataError for an unknown kind. A row that a kind leaves alone gets the next one.
    """
    for kind in kinds:
        if kind not in augmentations:
            known = ", ".join(augmentations)
            raise DataError(f"--kind {kind}", f"unknown{did_you_mean(kind, augmentations)}; known are {known}")
    tools = {tool.name: tool for row in rows for tool in row.tools}
    around = Around(tuple(tools.values()), rows)
    counts = dict.fromkeys(kinds, 0)
    made: list[Conversation] = []
    wanted = round(copies * len(rows))
    for number in range(wanted):
        row = rows[number % len(rows)] if copies >= 1 else rng.choice(rows)
        for turn in range(len(kinds)):
            kind = kinds[(number + turn) % len(kinds)]
            new = augmentations[kind](row, rng, around)
            if new is not None:
                counts[kind] += 1
                made.append(replace(new, id=f"{new.id}-{number}"))
                break
    return made, counts
