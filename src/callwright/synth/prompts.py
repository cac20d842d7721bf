"""Tools, seed rows and wanted categories -> the questions that a teacher model is asked."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from callwright.synth.endpoint import Endpoint
from callwright.synth.journal import Question
from callwright.tools import tool_to_json
from callwright.types import Conversation, JsonObject, Message, Tool, ToolCall

WISHES: dict[str, str] = {
    "single": "Each request needs exactly one call.",
    "parallel": "Each request needs two or three calls at once, of one tool or of several.",
    "no_call": (
        "No tool can fulfil the request: small talk, thanks, a question of general knowledge, or a wish that is out of "
        "reach of every tool above. 'calls' is empty; 'answer' replies in one or two short sentences."
    ),
    "missing": (
        "The request is for one of the tools, but leaves out the value of one of its required parameters, which "
        "cannot be guessed. 'calls' is empty; 'answer' asks for that value in one short question; 'missing' names it "
        'as {"tool": "...", "parameter": "..."}.'
    ),
    "multi_turn": (
        "Each row is a dialogue with two or three requests of the user: one that lacks a value and is answered with a "
        "question, a correction, or a wish that follows from an earlier result. Each call's arguments come from what "
        "the user said or from earlier results. What the assistant says of a result holds nothing that is not in it."
    ),
}
"""Category -> what the teacher is told of it."""

_ROW = '{"request": "...", "calls": [{"name": "...", "arguments": {...}}], "answer": "..."}'
_DIALOGUE = (
    '{"turns": [{"user": "..."}, {"assistant": "..."}, {"user": "..."}, '
    '{"calls": [{"name": "...", "arguments": {...}}], "results": [...]}, {"assistant": "..."}]}'
)
_ROWS = {"multi_turn": 2}
"""Rows a question; what is not named here gets `_MOST_ROWS`."""
_MOST_ROWS = 5
_MOST_TOOLS = 16
_FOCUS = 3
_EXAMPLES = 3
_STYLES = (
    "short and casual, typed on a phone",
    "spoken aloud, with hesitations",
    "polite whole sentences",
    "indirect: the wish has to be understood from the situation",
    "in a hurry, words left out",
    "with a typing mistake or two outside of the values",
    "plain and direct",
    "chatty, with a word on the reason for the wish",
)
_SYSTEM = "You write training rows for an assistant that calls functions. Answer with JSON only."


@dataclass(frozen=True, slots=True)
class Assignment:
    """A question, with what its answer is held to: rows of one category for exactly these tools."""

    category: str
    tools: tuple[Tool, ...]
    question: Question


@dataclass(frozen=True, slots=True)
class Style:
    """What is varied from question to question, and the seed that decides it."""

    seed: int = 0
    temperatures: tuple[float, float] = (0.5, 1.1)


def assignments(
    tools: Sequence[Tool],
    seeds: Sequence[Conversation],
    wanted: Mapping[str, int],
    endpoint: Endpoint,
    style: Style,
    round: int = 1,
) -> list[Assignment]:
    """Questions for `wanted` rows by category, the same for the same arguments.

    Where there are many tools, each question shows some, and every tool comes first in its turn. Of the seed rows, up
    to three that call nothing else are examples. A larger number of rows repeats the questions of a smaller one.
    """
    order = random.Random(style.seed).sample(list(tools), len(tools))
    made = []
    for category, count in wanted.items():
        size = _ROWS.get(category, _MOST_ROWS)
        turn = [tool for tool in order if tool.parameters.get("required") or category != "missing"]
        for number in range(-(-count // size)):
            rng = random.Random(f"{style.seed}:{round}:{category}:{number}")
            first = [turn[(number * _FOCUS + i + round - 1) % len(turn)] for i in range(min(_FOCUS, len(turn)))]
            shown = _shown(tools, first, rng)
            text = _prompt(
                shown,
                _examples(seeds, category, shown, rng),
                category,
                f"Write {min(size, count - number * size)} different {_rows_of(category)}",
                f"Prefer {', '.join(tool.name for tool in first)}. Style: {rng.choice(_STYLES)}. "
                f"This is batch {round}.{number + 1}.",
            )
            temperature = round_to(rng.uniform(*style.temperatures))
            messages = (("system", _SYSTEM), ("user", text))
            made.append(
                Assignment(category, shown, Question(endpoint.model, messages, temperature, endpoint.max_tokens))
            )
    return made


def round_to(value: float) -> float:
    """Two digits: what is sent is what is written down."""
    return float(f"{value:.2f}")


def category_of(row: Conversation) -> str:
    """The category that a user's own row is an example of."""
    calls = [message.calls for message in row.messages if message.calls]
    if sum(message.role == "user" for message in row.messages) > 1:
        return "multi_turn"
    if calls:
        return "single" if len(calls) == 1 and len(calls[0]) == 1 else "parallel"
    return "missing" if row.messages and row.messages[-1].text.rstrip().endswith("?") else "no_call"


def _rows_of(category: str) -> str:
    if category == "multi_turn":
        return f"dialogues with a user of these tools, as a JSON list of objects {_DIALOGUE}"
    return f"requests that a user of these tools would make, as a JSON list of objects {_ROW}"


def _shown(tools: Sequence[Tool], first: Sequence[Tool], rng: random.Random) -> tuple[Tool, ...]:
    names = {tool.name for tool in first}
    others = [tool for tool in tools if tool.name not in names]
    names |= {tool.name for tool in rng.sample(others, min(len(others), _MOST_TOOLS - len(first)))}
    return tuple(tool for tool in tools if tool.name in names)


def _examples(
    seeds: Sequence[Conversation], category: str, shown: Sequence[Tool], rng: random.Random
) -> list[Conversation]:
    names = {tool.name for tool in shown}
    fitting = [
        row
        for row in seeds
        if category_of(row) == category
        and _is_dialogue(row)
        and {call.name for message in row.messages for call in message.calls} <= names
    ]
    return rng.sample(fitting, min(_EXAMPLES, len(fitting)))


def _is_dialogue(row: Conversation) -> bool:
    roles = [message.role for message in row.messages]
    return "user" in roles and roles[-1] == "assistant"


def _prompt(shown: Sequence[Tool], examples: Sequence[Conversation], category: str, task: str, tail: str) -> str:
    listed = "\n".join(json.dumps(tool_to_json(tool), ensure_ascii=False) for tool in shown)
    own = "\n".join(json.dumps(_example(row), ensure_ascii=False) for row in examples)
    return (
        f"Tools:\n{listed}\n\n{task}.\n{WISHES[category]}\n"
        "The user says the value of every argument, in any natural form, and knows nothing of tools or their names. "
        "Arguments that nobody asked for are left out. "
        f"{tail}\n" + (f"\nExamples, not to be repeated:\n{own}\n" if own else "")
    )


def _example(row: Conversation) -> JsonObject:
    """A row in the form that is asked for."""
    if category_of(row) == "multi_turn":
        return {"turns": _turns(row.messages)}
    said = [message for message in row.messages if message.role == "user"]
    calls = [_call(call) for message in row.messages for call in message.calls]
    return {"request": said[0].text if said else "", "calls": calls, "answer": "" if calls else row.messages[-1].text}


def _turns(messages: Sequence[Message]) -> list[JsonObject]:
    turns: list[JsonObject] = []
    for message in messages:
        if message.calls:
            turns.append({"calls": [_call(call) for call in message.calls]})
        elif message.role == "tool" and turns:
            turns[-1].setdefault("results", []).append(message.text)
        elif message.role in ("user", "assistant"):
            turns.append({message.role: message.text})
    return turns


def _call(call: ToolCall) -> JsonObject:
    return {"name": call.name, "arguments": call.arguments}
