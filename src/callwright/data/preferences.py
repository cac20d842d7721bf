"""Rows -> pairs of a right and a wrong answer, for preference tuning; and their file.

A wrong answer is what a model really wrote, or the right one with one thing made wrong: another function, another
value, one left out or one too many, a call where none is due, a refusal where one is. What is made wrong in one
direction is made wrong in the other too: who sees only that values are left out learns to invent them. A line of the
file is a row of ours with `rejected`, the wrong assistant message, beside it, and `why`.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from callwright.data import canonical
from callwright.data.fields import Fields
from callwright.errors import DataError, did_you_mean
from callwright.schema import sample_value, validate
from callwright.types import Conversation, JsonObject, Message, Tool, ToolCall

_REFUSAL = "I can't do that with the functions I have."


@dataclass(frozen=True)
class Preference:
    """Two rows that differ in their last turn; `why` says what is wrong with the second."""

    chosen: Conversation
    rejected: Conversation
    why: str


Corrupt = Callable[[Conversation, random.Random], Message | None]


def wrong_name(row: Conversation, rng: random.Random) -> Message | None:
    """One call goes to another tool that the row declares; its arguments stay where that tool has them."""
    answer = row.messages[-1]
    others = [tool for tool in row.tools if answer.calls and tool.name not in {call.name for call in answer.calls}]
    if not others:
        return None
    place = rng.randrange(len(answer.calls))
    tool = rng.choice(others)
    known = tool.parameters.get("properties") or {}
    kept = {key: value for key, value in answer.calls[place].arguments.items() if key in known}
    return _with_call(answer, place, ToolCall(tool.name, kept or answer.calls[place].arguments))


def wrong_value(row: Conversation, rng: random.Random) -> Message | None:
    """One value is another of its type: of the enumeration, of the request's words, the next number."""
    answer = row.messages[-1]
    places = [(number, key) for number, call in enumerate(answer.calls) for key in call.arguments]
    rng.shuffle(places)
    request = _request(row)
    for number, key in places:
        call = answer.calls[number]
        value = _other(call.arguments[key], _schema(row.tools, call.name, key), request, rng)
        if value is not None and value != call.arguments[key]:
            return _with_call(answer, number, ToolCall(call.name, {**call.arguments, key: value}))
    return None


def swapped_values(row: Conversation, rng: random.Random) -> Message | None:
    """Two values of one type change places."""
    answer = row.messages[-1]
    for number in rng.sample(range(len(answer.calls)), len(answer.calls)):
        arguments = answer.calls[number].arguments
        keys = list(arguments)
        pairs = [
            (a, b)
            for place, a in enumerate(keys)
            for b in keys[place + 1 :]
            if type(arguments[a]) is type(arguments[b]) and arguments[a] != arguments[b]
        ]
        if pairs:
            a, b = rng.choice(pairs)
            swapped = {**arguments, a: arguments[b], b: arguments[a]}
            return _with_call(answer, number, ToolCall(answer.calls[number].name, swapped))
    return None


def missing_value(row: Conversation, rng: random.Random) -> Message | None:
    """A value that the request gives is left out; a required one, where there is one."""
    answer = row.messages[-1]
    places = [(number, key) for number, call in enumerate(answer.calls) for key in call.arguments]
    if not places:
        return None
    required = [(number, key) for number, key in places if key in _required(row.tools, answer.calls[number].name)]
    number, key = rng.choice(required or places)
    call = answer.calls[number]
    return _with_call(answer, number, ToolCall(call.name, {k: v for k, v in call.arguments.items() if k != key}))


def needless_value(row: Conversation, rng: random.Random) -> Message | None:
    """A value that the request does not give, of a parameter that may be left out: words of the request, or any."""
    answer = row.messages[-1]
    places = [
        (number, key, schema)
        for number, call in enumerate(answer.calls)
        for key, schema in (_tool(row.tools, call.name).get("properties") or {}).items()
        if key not in call.arguments
    ]
    if not places:
        return None
    number, key, schema = rng.choice(places)
    call = answer.calls[number]
    words = _words(_request(row))
    value = sample_value(schema, rng)
    if isinstance(value, str) and words and not schema.get("enum"):
        first = rng.randrange(len(words))
        value = " ".join(words[first : first + rng.choice((1, 1, 2))])
    arguments = {**call.arguments, key: value}
    if validate(arguments, _tool(row.tools, call.name)):
        return None
    return _with_call(answer, number, ToolCall(call.name, arguments))


def needless_call(row: Conversation, rng: random.Random) -> Message | None:
    """A call of some tool where the right answer calls none."""
    if row.messages[-1].calls or not row.tools:
        return None
    tool = rng.choice(row.tools)
    arguments = sample_value(tool.parameters, rng)
    return None if validate(arguments, tool.parameters) else Message("assistant", "", (ToolCall(tool.name, arguments),))


def no_call(row: Conversation, rng: random.Random) -> Message | None:
    """A refusal where a call is due."""
    return Message("assistant", _REFUSAL) if row.messages[-1].calls else None


KINDS: dict[str, Corrupt] = {
    one.__name__: one
    for one in (wrong_name, wrong_value, swapped_values, missing_value, needless_value, needless_call, no_call)
}


def corrupted(
    rows: Iterable[Conversation], kinds: Sequence[str] = tuple(KINDS), per_row: int = 1, seed: int = 0
) -> Iterator[Preference]:
    """Up to `per_row` pairs for each row that ends with an assistant turn: of the kinds that it offers, those that were
    used least. A refusal is wrong no more often than a needless call, where a row offers anything else: a model that is
    mostly shown wrong refusals forgets how to refuse.

    Raises DataError for a kind that there is not.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise DataError("pairs", f"there is no kind '{kind}'{did_you_mean(kind, KINDS)}; known: {', '.join(KINDS)}")
    counts: Counter[str] = Counter()
    for row in rows:
        if not row.messages or row.messages[-1].role != "assistant":
            continue
        rng = random.Random(f"{seed}-{row.id}-{row.where}")
        seen = [row.messages[-1]]
        for kind in _least_used_first(kinds, counts):
            if len(seen) > per_row:
                break
            wrong = KINDS[kind](row, rng)
            if wrong is not None and wrong not in seen:
                seen.append(wrong)
                counts[kind] += 1
                yield _pair(row, wrong, kind)


def _least_used_first(kinds: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    refusals = "needless_call" in kinds and counts["no_call"] >= counts["needless_call"]
    return sorted(kinds, key=lambda kind: (kind == "no_call" and refusals, counts[kind]))


def from_failures(rows: Iterable[Conversation], file: Path) -> Iterator[Preference]:
    """What a model wrote wrong, by a `failures.jsonl` of these rows, against what was right. Broken calls, which no
    message holds, are passed over. Raises DataError where the file is none."""
    by_id = {row.id: row for row in rows}
    for number, line in enumerate(_lines(file), 1):
        try:
            failure = json.loads(line)
            row, broken = by_id.get(failure["id"]), failure["broken_calls"]
            calls = tuple(ToolCall(call["name"], call["arguments"]) for call in failure["got_calls"])
            wrong = Message("assistant", failure["got_text"], calls)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{file}:{number}", f"is no line of failures.jsonl: {error}") from error
        if row is not None and not broken and wrong != row.messages[-1] and (calls or wrong.text):
            yield _pair(row, wrong, "model")


def to_row(pair: Preference) -> JsonObject:
    """The line of a pair."""
    row = canonical.to_row(pair.chosen)
    return {**row, "rejected": canonical.to_row(pair.rejected)["messages"][-1], "why": pair.why}


def read_pairs(file: Path) -> Iterator[Preference]:
    """Pairs of a file. Raises DataError, with file and line, where a line is none."""
    fields = Fields()
    for number, line in enumerate(_lines(file), 1):
        where = f"{file}:{number}"
        try:
            raw = json.loads(line)
        except ValueError as error:
            raise DataError(where, f"is no JSON: {error}") from error
        if not isinstance(raw, dict) or "rejected" not in raw or not raw.get("messages"):
            raise DataError(where, "is no pair: it needs 'messages' and 'rejected', the wrong assistant message")
        row = canonical.from_row(raw, where, fields)
        wrong = canonical.from_row({**raw, "messages": [*raw["messages"][:-1], raw["rejected"]]}, where, fields)
        if row.messages[-1].role != "assistant" or wrong.messages[-1].role != "assistant":
            raise DataError(where, "both answers must be assistant turns")
        if row.messages[-1] == wrong.messages[-1]:
            raise DataError(where, "both answers are the same")
        yield Preference(row, wrong, str(raw.get("why", "")))


def write_pairs(file: Path, pairs: Iterable[Preference]) -> None:
    """Pairs -> a file that `read_pairs` reads."""
    file.write_text("".join(json.dumps(to_row(one), ensure_ascii=False) + "\n" for one in pairs), encoding="utf-8")


def _lines(file: Path) -> Iterator[str]:
    if not file.is_file():
        raise DataError(str(file), "there is no such file")
    with file.open(encoding="utf-8") as lines:
        yield from (line for line in lines if line.strip())


def _pair(row: Conversation, wrong: Message, why: str) -> Preference:
    """Only the last turns are compared, so nothing before them is trained."""
    before = tuple(
        replace(message, train=False) if message.role == "assistant" else message for message in row.messages[:-1]
    )
    right = replace(row.messages[-1], train=None)
    return Preference(replace(row, messages=(*before, right)), replace(row, messages=(*before, wrong)), why)


def _with_call(answer: Message, place: int, call: ToolCall) -> Message:
    return replace(answer, train=None, calls=(*answer.calls[:place], call, *answer.calls[place + 1 :]))


def _tool(tools: Sequence[Tool], name: str) -> JsonObject:
    return next((tool.parameters for tool in tools if tool.name == name), {})


def _schema(tools: Sequence[Tool], name: str, key: str) -> Any:
    return (_tool(tools, name).get("properties") or {}).get(key) or {}


def _required(tools: Sequence[Tool], name: str) -> Sequence[str]:
    return _tool(tools, name).get("required") or ()


def _other(value: Any, schema: Any, request: str, rng: random.Random) -> Any:
    """Another value of the same type, or None."""
    choices = [one for one in schema.get("enum", ()) if one != value] if isinstance(schema, dict) else []
    if choices:
        return rng.choice(choices)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice((-1, 1, 10))
    if isinstance(value, float):
        return value * rng.choice((0.5, 2.0)) if value else 1.0
    return _other_words(value, _words(request), rng) if isinstance(value, str) else None


def _other_words(value: str, words: Sequence[str], rng: random.Random) -> str | None:
    """A part of a text, as much with the word before or behind it in the request, or other words of that."""
    own = value.split()
    found = [" ".join(own[:-1]), " ".join(own[1:])] if len(own) > 1 else []
    low, spoken = [word.lower() for word in own], [word.lower() for word in words]
    start = next((at for at in range(len(words)) if own and spoken[at : at + len(own)] == low), None)
    longer = []
    if start is not None:
        end = start + len(own)
        longer = [" ".join(words[a:b]) for a, b in ((start - 1, end), (start, end + 1)) if a >= 0 and b <= len(words)]
    kinds = [kind for kind in (found, longer) if kind]
    if kinds:
        return rng.choice(rng.choice(kinds))
    others = [word for word in words if word.lower() not in value.lower()]
    return rng.choice(others) if others else None


def _request(row: Conversation) -> str:
    return next((message.text for message in reversed(row.messages) if message.role == "user"), "")


def _words(text: str) -> list[str]:
    return [word for word in (part.strip(".,?!\"'") for part in text.split()) if word]
