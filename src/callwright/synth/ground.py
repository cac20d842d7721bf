"""A call + what the user said -> the values of the call that nobody said, by span, normaliser or synonym."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from callwright.data.similar import words
from callwright.synth.fill import words as number_words
from callwright.synth.pools import pools
from callwright.types import JsonObject, Message, Tool, ToolCall

Synonyms = Mapping[tuple[str, str], Mapping[Any, Sequence[str]]]
"""(tool, parameter) -> value -> the ways to say it, for what neither a span nor a normaliser finds."""

_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_ONES = {number_words(n): n for n in range(0, 101)} | {
    "a": 1,
    "an": 1,
    "one": 1,
    "couple": 2,
    "dozen": 12,
    "hundred": 100,
}
_PARTS = {"half": 0.5, "quarter": 0.25, "three quarters": 0.75}
_UNITS = {
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), 1 / 60),
    **dict.fromkeys(("minute", "minutes", "min", "mins", "m"), 1),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), 60),
    **dict.fromkeys(("day", "days"), 1440),
    **dict.fromkeys(("week", "weeks"), 10080),
}
_MORNING = re.compile(r"(?: o'clock)? ?(?:a\.?m\b|in the morning)")
_LATER = re.compile(r"(?: o'clock)? ?(?:p\.?m\b|in the (?:afternoon|evening)|at night)")
_AMOUNT = re.compile(
    r"\b((?:[a-z]+[ -])?(?:[a-z]+|(?<![.,])\d+(?:[.,]\d+)?)(?: and a half)?)[ -]*?(?<![a-z])("
    + "|".join(sorted(_UNITS, key=len, reverse=True))
    + r")\b"
)
_AND = re.compile(r"(?:,? and|,)? *")
_SAID_DURATIONS = {
    "half an hour": 30, "half hour": 30, "quarter of an hour": 15, "quarters of an hour": 45, "quarter hour": 15,
    "couple of hours": 120, "couple of minutes": 2,
}  # fmt: skip
_AUXILIARY = frozenset(("is", "has", "include", "enable", "use", "with"))
_NEGATIONS = frozenset("no not without off dont don't never exclude excluding disable disabled false skip".split())  # noqa: SIM905
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_ISO_TIME = re.compile(r"(\d{2}):(\d{2})(?::(\d{2}))?")
_STEM = re.compile(r"(?:ies|es|s|ing|ed)$")


@dataclass(frozen=True)
class Said:
    """A request in the forms that checks ask for, made once."""

    text: str
    folded: str = field(init=False)
    words: tuple[str, ...] = field(init=False)
    numbers: frozenset[float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folded", " ".join(self.text.casefold().split()))
        object.__setattr__(self, "words", tuple(words(self.text)))
        object.__setattr__(self, "numbers", frozenset(_numbers(self.folded)))

    def holds(self, phrase: str) -> bool:
        """Whether a phrase stands in the text as whole words."""
        wanted = " ".join(phrase.casefold().split())
        at = self.folded.find(wanted) if wanted else -1
        while at >= 0:
            before, after = self.folded[at - 1 : at], self.folded[at + len(wanted) : at + len(wanted) + 1]
            if not (before.isalnum() and wanted[0].isalnum()) and not (after.isalnum() and wanted[-1].isalnum()):
                return True
            at = self.folded.find(wanted, at + 1)
        return False

    def means(self, phrase: str) -> bool:
        """Whether the text has every word of a phrase, in any order and ending, each with one slip of a key at most."""
        wanted = words(phrase.replace("'", ""))
        return bool(wanted) and all(
            _STEM.sub("", word) in self.stems or bool(_slips(word) & self.plain) for word in wanted
        )

    @cached_property
    def plain(self) -> frozenset[str]:
        return frozenset(words(self.text.replace("'", "")))

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(_STEM.sub("", word) for word in (*self.words, *self.plain))


def unsaid(
    messages: Sequence[Message], declared: Mapping[str, Tool], synonyms: Synonyms | None = None
) -> Iterator[tuple[ToolCall, list[str]]]:
    """Calls of declared tools with values that neither the user nor a result said before, and these values."""
    heard = ""
    for message in messages:
        for call in message.calls:
            values = ungrounded(call, declared[call.name], heard, synonyms)
            if values:
                yield call, values
        if message.role in ("user", "tool"):
            heard += f"{message.text}\n"


def ungrounded(call: ToolCall, tool: Tool, said: str, synonyms: Synonyms | None = None) -> list[str]:
    """The arguments, as `name: value`, that cannot be recovered from what was said; empty where all can.

    A value is recovered as a span of the text, as a number in digits or words, as a duration, date or time of day in
    its usual spoken forms, as an enum value or boolean by its words, or by a synonym that is given.
    """
    heard = Said(said)
    properties = tool.parameters.get("properties") or {}
    known = synonyms or {}
    found = []
    for name, value in call.arguments.items():
        schema = properties.get(name)
        ways = known.get((tool.name, name), {})
        for leaf, path, leaf_schema in _leaves(value, name, schema if isinstance(schema, dict) else {}):
            if not _said(leaf, path, leaf_schema, heard, ways):
                found.append(f"{path}: {leaf!r}")
    return found


def _leaves(value: Any, path: str, schema: JsonObject) -> Iterator[tuple[Any, str, JsonObject]]:
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for key, inner in value.items():
            below = properties.get(key)
            yield from _leaves(inner, f"{path}.{key}", below if isinstance(below, dict) else {})
    elif isinstance(value, list):
        items = schema.get("items")
        for inner in value:
            yield from _leaves(inner, path, items if isinstance(items, dict) else {})
    else:
        yield value, path, schema


def _said(value: Any, path: str, schema: JsonObject, heard: Said, ways: Mapping[Any, Sequence[str]]) -> bool:
    if value is None or ("const" in schema and schema["const"] == value):
        return True
    try:
        if any(heard.holds(way) or heard.means(way) for way in ways.get(value, ())):
            return True
    except TypeError:  # an unhashable value has no synonyms
        pass
    if isinstance(value, bool):
        return _said_boolean(value, path, heard)
    if isinstance(value, int | float):
        return float(value) in heard.numbers or _said_duration(float(value), path, schema, heard)
    text = str(value)
    if heard.holds(text):
        return True
    if (date := _ISO_DATE.fullmatch(text)) and _said_date(date, heard):
        return True
    if (time := _ISO_TIME.fullmatch(text)) and _said_time(time, heard):
        return True
    # "in_progress" is said as "in progress", "THEATER" as "theater"
    return "enum" in schema and heard.means(text)


def _said_boolean(value: bool, path: str, heard: Said) -> bool:
    name = [word for word in words(path.rpartition(".")[2]) if word not in _AUXILIARY]
    if not any(heard.means(word) for word in name):
        return False
    return value or bool(_NEGATIONS & set(heard.folded.split()))


def _slips(word: str) -> frozenset[str]:
    """A word with one letter left out, doubled, or swapped with the next; short words are not guessed at."""
    if len(word) < 4:
        return frozenset()
    left_out = {word[:i] + word[i + 1 :] for i in range(len(word))}
    doubled = {word[:i] + word[i] + word[i:] for i in range(len(word))}
    swapped = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    return frozenset(left_out | doubled | swapped)


def _numbers(text: str) -> Iterator[float]:
    """Every number in digits or in words."""
    for match in _NUMBER.finditer(text):
        digits = match[0]
        yield float(digits.replace(",", "."))
        if re.fullmatch(r"\d{1,3}(?:,\d{3})+", digits):
            yield float(digits.replace(",", ""))
    for match in re.finditer(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", text):
        yield float(match[0].replace(",", ""))
    spoken = re.findall(r"[a-z]+", text)
    for i, word in enumerate(spoken):
        for length in (1, 2, 3):
            phrase = " ".join(spoken[i : i + length])
            if phrase in _ONES:
                yield float(_ONES[phrase])
        if word in _PARTS:
            yield _PARTS[word]


def _said_duration(value: float, path: str, schema: JsonObject, heard: Said) -> bool:
    """Minutes (or what the parameter's name or description counts in) said in other units, or in several."""
    about = f"{path} {schema.get('description', '')}".casefold()
    unit = next((minutes for name, minutes in _UNITS.items() if len(name) > 3 and name.rstrip("s") in about), None)
    if unit is None:
        return False
    return any(abs(said / unit - value) < 1e-6 for said in _durations(heard.folded))


def _durations(text: str) -> Iterator[float]:
    """Every duration in a text, in minutes: each amount with its unit, and neighbours added up."""
    yield from (minutes for phrase, minutes in _SAID_DURATIONS.items() if phrase in text)
    before, end = 0.0, -1
    for match in _AMOUNT.finditer(text):
        number = _amount(match[1].strip(" -"))
        if number is None:
            continue
        minutes = number * _UNITS[match[2]]
        # "two hours and ten minutes", "an hour and a half": one duration in two parts
        joined = before + minutes if end >= 0 and _AND.fullmatch(text[end : match.start()]) else minutes
        yield from {minutes, joined}
        rest = text[match.end() :]
        if rest.startswith((" and a half", " and half")):
            yield minutes + _UNITS[match[2]] / 2
        if rest.startswith((" and a quarter", " and quarter")):
            yield minutes + _UNITS[match[2]] / 4
        before, end = minutes, match.end()


def _amount(text: str) -> float | None:
    """A number in digits or words, as "2.5", "two and a half", "twenty-five"."""
    if re.fullmatch(r"\d+(?:[.,]\d+)?", text):
        return float(text.replace(",", "."))
    spoken = text.replace("-", " ")
    whole, half, _ = spoken.partition(" and a half")
    parts = whole.split()
    for phrase in (" ".join(parts[-2:]), parts[-1] if parts else ""):
        if phrase in _ONES:
            return _ONES[phrase] + (0.5 if half else 0)
        if re.fullmatch(r"\d+(?:[.,]\d+)?", phrase):
            return float(phrase.replace(",", ".")) + (0.5 if half else 0)
    return None


def _said_date(date: re.Match[str], heard: Said) -> bool:
    year, month, day = (int(part) for part in date.groups())
    name = pools()["months"][month - 1].casefold() if 1 <= month <= 12 else "?"
    short = name[:3]
    has_day = any(
        word in (str(day), f"{day}st", f"{day}nd", f"{day}rd", f"{day}th", f"{day:02d}")
        for word in re.findall(r"\w+", heard.folded)
    )
    has_month = any(word in (name, short) for word in heard.folded.replace(",", " ").split())
    numeric = f"{month}/{day}/{year}" in heard.folded or f"{day}.{month}.{year}" in heard.folded
    return numeric or (has_day and has_month)


def _said_time(time: re.Match[str], heard: Said) -> bool:
    """A time of day in digits, in words, or from the full hour; a part of the day that is said must be right."""
    hour, minute = int(time[1]), int(time[2])
    text = heard.folded
    noon, midnight = (hour, minute) == (12, 0), (hour, minute) == (0, 0)
    if (noon and re.search(r"\b(noon|midday)\b", text)) or (midnight and "midnight" in text):
        return True
    ended = r"(?= ?[ap]\.?m|\b)(?![:.h]?\d)(?! (?:past|to|oh|thirty|forty|fifteen|twenty)\b)"
    spoken = _hour_forms(hour)
    forms = [rf"(?<![:.\d])\b(?:{spoken})(?:[:.h]00)?{ended}"]
    if minute:
        forms = [
            rf"\b(?:{spoken})[:. h]?{minute:02d}{ended}",
            rf"\b(?:{spoken})[ -](?:oh )?{number_words(minute)}{ended}",
        ]
        past = [number_words(minute), str(minute), *{15: ["quarter"], 30: ["half"]}.get(minute, [])]
        forms += [rf"\b(?:{'|'.join(past)})(?: minutes)? (?:past|after) (?:{spoken}){ended}"]
        to = [number_words(60 - minute), str(60 - minute), *(["quarter"] if minute == 45 else [])]
        later = _hour_forms((hour + 1) % 24)
        forms += [rf"\b(?:{'|'.join(to)})(?: minutes)? (?:to|before|till) (?:{later}){ended}"]
    wrong_half = _MORNING if hour >= 12 else _LATER
    return any(not wrong_half.match(text, found.end()) for form in forms for found in re.finditer(form, text))


def _hour_forms(hour: int) -> str:
    """An hour in digits or words, of the half day and of the whole, as alternatives of a pattern."""
    hours = {hour % 12 or 12, hour}
    return "|".join(form for h in sorted(hours) for form in (f"{h:02d}", str(h), number_words(h)))
