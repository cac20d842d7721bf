"""Accepted answers and a reply -> the accepted answer that is nearest, and why the two checkers judge it differently.

An answer is `{function: {argument: [accepted values]}}`. "" among the values says that the argument may be left out; an
object holds accepted values for each of its keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from callwright.schema import validate
from callwright.score.calls import match_arguments
from callwright.types import Conversation, Ending, JsonObject, Reply, Tool, ToolCall

if TYPE_CHECKING:
    from callwright.score.bfcl import Entry

_DROPPED = str.maketrans("", "", " ,./-_*^")


def nearest(answers: Sequence[JsonObject], calls: Sequence[ToolCall], tools: Sequence[Tool]) -> tuple[ToolCall, ...]:
    """One call for each answer, with those accepted values that the calls have, where they have any.

    >>> answers = [{"f": {"city": ["Rome", "Roma"], "unit": ["C", ""]}}]
    >>> nearest(answers, [ToolCall("f", {"city": "Roma"})], ())
    (ToolCall(name='f', arguments={'city': 'Roma'}, id=''),)
    """
    parameters = {tool.name: tool.parameters for tool in tools}
    pairs = [
        [_towards(answer, call.arguments) if call.name == name else None for call in calls]
        for name, answer in (_one(answer) for answer in answers)
    ]
    fits = [
        [
            made is not None and all(match_arguments(made, call.arguments, parameters.get(call.name)).values())
            for made, call in zip(row, calls, strict=True)
        ]
        for row in pairs
    ]
    chosen = _matched(fits)
    free = [number for number in range(len(calls)) if number not in chosen.values()]
    gold = []
    for number, (name, answer) in enumerate(map(_one, answers)):
        partner = chosen.get(number)
        if partner is None:
            partner = next((one for one in free if calls[one].name == name), None)
            if partner is not None:
                free.remove(partner)
        gold.append(ToolCall(name, _towards(answer, calls[partner].arguments if partner is not None else {})))
    return tuple(gold)


def _one(answer: JsonObject) -> tuple[str, JsonObject]:
    ((name, arguments),) = answer.items()
    return name, arguments


def _towards(accepted: JsonObject, given: JsonObject) -> JsonObject:
    """Accepted values for each key -> one value for each, the given one where it is accepted."""
    made = {}
    for key, values in accepted.items():
        values = values if isinstance(values, list) else [values]
        if (key in given or "" not in values) and any(value != "" for value in values):
            made[key] = _chosen([value for value in values if value != ""], given.get(key))
    return made


def _chosen(values: Sequence[Any], given: Any) -> Any:
    towards = [_value(value, given) for value in values]
    return next((value for value in towards if _same(value, given)), towards[0])


def _value(value: Any, given: Any) -> Any:
    if isinstance(value, dict):
        return _towards(value, given if isinstance(given, dict) else {})
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        others = given if isinstance(given, list) and len(given) == len(value) else [{}] * len(value)
        return [_value(item, other) for item, other in zip(value, others, strict=True)]
    return value


def _same(expected: Any, given: Any) -> bool:
    return all(match_arguments({"": expected}, {"": given}, None).values())


def _matched(fits: Sequence[Sequence[bool]]) -> dict[int, int]:
    """Rows -> columns that fit, one each, for as many rows as can be (augmenting paths)."""
    owner: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column, fit in enumerate(fits[row]):
            if fit and column not in tried:
                tried.add(column)
                if column not in owner or place(owner[column], tried):
                    owner[column] = row
                    return True
        return False

    for row in range(len(fits)):
        place(row, set())
    return {row: column for column, row in owner.items()}


def difference(entry: Entry, asked: Conversation, reply: Reply, theirs: bool) -> str:
    """The kind of reason why the verdicts differ; `theirs` is the leaderboard's, ours the other."""
    if theirs:
        return _whole(reply) or (_offered(asked, reply) if entry.answers is None else _values(entry, reply, _lenient))
    return _values(entry, reply, _narrow(entry))


def _whole(reply: Reply) -> str:
    if reply.broken:
        return "a broken call passes for none"
    if reply.ending is Ending.LENGTH:
        return "cut at the token limit"
    return "the engine failed" if reply.ending is Ending.ERROR else ""


def _offered(asked: Conversation, reply: Reply) -> str:
    parameters = {tool.name: tool.parameters for tool in asked.tools}
    if any(call.name not in parameters for call in reply.calls):
        return "calls a function that is not offered"
    unfit = any(validate(call.arguments, parameters[call.name]) for call in reply.calls)
    return "arguments that do not fit the schema" if unfit else _OTHER


_OTHER = "other"
_INSIDE = "values inside a list or an object"

Reason = Callable[[str, str, list[Any], Any], str]
"""Function, argument, its accepted values and the given one (_ABSENT where there is none) -> the kind of reason."""

_ABSENT: Any = object()


def _values(entry: Entry, reply: Reply, reason: Reason) -> str:
    """The first reason that an argument of a call gives, over the answers for its function."""
    found = []  # one that says little stands back
    for answer in entry.answers or ():
        name, accepted = _one(answer)
        for call in reply.calls:
            for key in dict.fromkeys((*accepted, *call.arguments)) if call.name == name else ():
                found.append(reason(name, key, accepted.get(key, []), call.arguments.get(key, _ABSENT)))
    said = [why for why in found if why]
    return next((why for why in said if why != _INSIDE), said[0] if said else _OTHER)


def _lenient(name: str, key: str, values: list[Any], given: Any) -> str:
    """Where the leaderboard's checker is the more lenient."""
    if given is _ABSENT or any(_same(_value(value, given), given) for value in values if value != ""):
        return ""
    if given == "":
        return "an empty text for an argument that may be left out"
    if isinstance(given, str):
        return _spelling(values, given)
    if isinstance(given, list | dict):
        return "spelling of texts in a list or an object"
    return ""


def _spelling(values: list[Any], given: str) -> str:
    texts = [value for value in values if isinstance(value, str)]
    if any(value.casefold() == given.casefold() for value in texts):
        return "letter case"
    folded = given.casefold().translate(_DROPPED).replace("'", '"')
    return "spaces or punctuation" if any(_folded(value) == folded for value in texts) else ""


def _folded(value: str) -> str:
    return value.casefold().translate(_DROPPED).replace("'", '"')


def _narrow(entry: Entry) -> Reason:
    """Where it is the stricter."""
    declared = {one["name"]: one["parameters"] for one in entry.functions}

    def reason(name: str, key: str, values: list[Any], given: Any) -> str:
        parameters = declared.get(name, {"properties": {}})
        if given is _ABSENT:
            if key in parameters.get("required", ()):
                return "a required argument that the answer lets be left out"
            return "" if "" in values else "an argument at its default, left out"
        if key not in parameters["properties"]:
            return "the answer has an argument that the function has not"
        kind = parameters["properties"][key].get("type")
        if kind == "integer" and isinstance(given, float):
            return "5.0 for the integer 5"
        if kind in ("array", "tuple", "dict", "HashMap"):
            return _INSIDE
        return ""

    return reason
