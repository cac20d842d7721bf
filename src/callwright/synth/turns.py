"""Requests and calls -> whole conversations: several turns, answers to questions, results that feed the next call."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

from callwright.data.similar import words
from callwright.types import JsonObject, Message, Tool, ToolCall

ResultOf = Callable[[ToolCall], str]
"""What a call gives, as the text of a tool's turn: by running the function, or a mock."""

_DONE = ("Done.", "All set.", "That's done.", "OK, done.")
_MAKING = frozenset(("create", "add", "book", "reserve", "schedule", "open", "register", "order"))
_ERROR = "That did not work: {why}"


def mock_result(call: ToolCall, rng: random.Random, *, made: bool = False) -> str:
    """A result that says the call succeeded, with an id where something was made, and the arguments again.

    made: an id in any case, for calls whose result the next call needs.
    """
    result: JsonObject = {"status": "ok"}
    if made or (words(call.name)[:1] and words(call.name)[0] in _MAKING):
        result["id"] = f"{call.name[:2].upper()}{rng.randint(1000, 99999)}"
    return json.dumps({**result, **call.arguments}, ensure_ascii=False)


def with_results(calls: Sequence[ToolCall], result_of: ResultOf, turn: int) -> list[Message]:
    """The turn of calls, and a result for each, tied by ids that are unique for the turn's number."""
    tied = tuple(ToolCall(call.name, call.arguments, f"call_{turn}_{i}") for i, call in enumerate(calls))
    turns = [Message("assistant", "", tied)]
    turns += [Message("tool", result_of(call), call_id=call.id, name=call.name) for call in tied]
    return turns


def closing(results: Sequence[str], rng: random.Random) -> Message:
    """What the assistant says of results: what they hold, nothing that they do not."""
    said = []
    for result in results:
        try:
            value = json.loads(result)
        except ValueError:
            said.append(result)
            continue
        if isinstance(value, dict) and isinstance(value.get("error"), str):
            said.append(_ERROR.format(why=value["error"]))
        elif isinstance(value, dict):
            told = {k: v for k, v in value.items() if k != "status" and not isinstance(v, dict | list)}
            said.append(", ".join(f"{' '.join(words(k))}: {v}" for k, v in told.items()) or rng.choice(_DONE))
        else:
            said.append(rng.choice(_DONE) if value is None else str(value))
    return Message(
        "assistant", " ".join(text if text[-1:] in ".!?" else f"{text}." for text in said if text) or rng.choice(_DONE)
    )


def feeds(tools: Sequence[Tool]) -> list[tuple[Tool, Tool, str]]:
    """(maker, taker, parameter): the maker's result has an id, and the taker's only required text is that id.

    >>> ids = {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]}
    >>> made = Tool("create_order", "", {"type": "object", "properties": {}})
    >>> [(a.name, b.name, p) for a, b, p in feeds([made, Tool("cancel_order", "", ids)])]
    [('create_order', 'cancel_order', 'order_id')]
    """
    found = []
    for maker in tools:
        verb, thing = words(maker.name)[0], words(maker.name)[1:]
        if verb not in _MAKING or not thing:
            continue
        for taker in tools:
            required = list(taker.parameters.get("required") or ())
            if taker is maker or len(required) != 1:
                continue
            parts = words(required[0])
            if (
                parts[-1] == "id"
                and (len(parts) == 1 or set(parts[:-1]) <= set(thing))
                and set(words(taker.name)) & set(thing)
            ):
                found.append((maker, taker, required[0]))
    return found
