"""The value that was due, the one that was given and what was said -> in which way the given one is wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, time
from typing import Any

from callwright.score.calls import match_arguments, schema_places
from callwright.types import JsonObject

WRONG_TYPE = "wrong_type"
WRONG_ENUM = "wrong_enum"
OFF_BY_ONE = "off_by_one"
WRONG_NORMALISATION = "wrong_normalisation"
WRONG_SPAN = "wrong_span"
WRONG_VALUE = "wrong_value"
VALUE_MODES = (WRONG_TYPE, WRONG_ENUM, OFF_BY_ONE, WRONG_NORMALISATION, WRONG_SPAN, WRONG_VALUE)
"""From the most to the least definite."""

_UNITS = (60, 3600, 24, 7, 12, 100, 1000)
_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_NUMBERS = {word: str(number) for number, word in enumerate(_WORDS.split())}
_NUMBERS |= {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "hundred": "100"}
_NUMBERS |= {"first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6"}
_CLOCK = re.compile(r"\b(\d{1,2})(?:[:.](\d\d))?\s*(am|pm|a\.m\.?|p\.m\.?|o'?clock)(?!\w)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def value_mode(expected: Any, got: Any, places: Sequence[JsonObject], root: Any, said: str) -> str:
    """One of VALUE_MODES, of two values that are not equal.

    places: the schemas of the argument, as `schema_places` gives them, within `root`. said: all that the model could
    copy from. Of lists and objects, the most definite mode of their parts.

    - wrong_type: another JSON type, or a fraction for an integer
    - wrong_enum: the schema lists the values, and another of them, or none, was given
    - off_by_one: a number, date or time that is one unit away, or is the number in another unit (60, 24, 1000 times)
    - wrong_normalisation: the same said in another form ("7 pm", "19:00"), or copied where another form is due
    - wrong_span: copied from what was said, but other words, or too many or few of them
    - wrong_value: none of these

    >>> value_mode("my son's room", "son's room", [], None, "lights off in my son's room")
    'wrong_span'
    >>> value_mode("19:00", "7 pm", [], None, "at 7 pm")
    'wrong_normalisation'
    """
    found = {_leaf_mode(one, other, where, said) for one, other, where in _differences(expected, got, places, root)}
    return next((mode for mode in VALUE_MODES if mode in found), WRONG_VALUE)


_Difference = tuple[Any, Any, Sequence[JsonObject]]
_ABSENT = object()


def _differences(expected: Any, got: Any, places: Sequence[JsonObject], root: Any) -> Iterator[_Difference]:
    """Pairs of leaves that differ, each with its schemas; a part that one side lacks is paired with _ABSENT."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in dict.fromkeys((*expected, *got)):
            inner = [part for place in places for part in schema_places((place.get("properties") or {}).get(key), root)]
            yield from _differences(expected.get(key, _ABSENT), got.get(key, _ABSENT), inner, root)
    elif isinstance(expected, list) and isinstance(got, list):
        inner = [part for place in places for part in schema_places(place.get("items"), root)]
        # items that both hold are no difference, wherever they stand, unless only the order differs
        left, right = [one for one in expected if one not in got], [one for one in got if one not in expected]
        if not left and not right:
            left, right = expected, got
        for place in range(max(len(left), len(right))):
            yield from _differences(
                left[place] if place < len(left) else _ABSENT,
                right[place] if place < len(right) else _ABSENT,
                inner,
                root,
            )
    elif not all(match_arguments({"": expected}, {"": got}, None).values()):
        yield expected, got, places


def _leaf_mode(expected: Any, got: Any, places: Sequence[JsonObject], said: str) -> str:
    if expected is _ABSENT or got is _ABSENT:
        other = got if expected is _ABSENT else expected
        return WRONG_SPAN if _is_said(other, said) else WRONG_VALUE
    integer = any(place.get("type") == "integer" for place in places)
    if _kind(expected) != _kind(got) or (integer and isinstance(got, float) and not got.is_integer()):
        return WRONG_TYPE
    if any(expected in place["enum"] for place in places if isinstance(place.get("enum"), list)):
        return WRONG_ENUM
    if sum("const" in place for place in places) > 1:
        return WRONG_ENUM
    if isinstance(expected, str):
        return _text_mode(expected, got, said)
    if _kind(expected) == "number":
        if _is_said(got, said):
            return WRONG_SPAN
        return OFF_BY_ONE if _one_unit_away(expected, got) else WRONG_VALUE
    return WRONG_VALUE


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _text_mode(expected: str, got: str, said: str) -> str:
    if _canonical(expected) == _canonical(got):
        return WRONG_NORMALISATION
    copied, due = _is_said(got, said), _is_said(expected, said)
    if copied:
        # what was due is said in no such form, so it was to be put into one
        return WRONG_SPAN if due or not got.strip() else WRONG_NORMALISATION
    if _next_to(expected, got):
        return OFF_BY_ONE
    given = _words(got)
    return WRONG_SPAN if given and given <= _words(said) else WRONG_VALUE


def same_source(one: Any, other: Any) -> bool:
    """Whether two values are one, but for their form and for words that one of them has more.

    >>> same_source("the week", "week"), same_source("week", "weekend"), same_source(3, 3.0)
    (True, False, True)
    """
    if isinstance(one, str) and isinstance(other, str):
        mine, theirs = _words(one), _words(other)
        return _canonical(one) == _canonical(other) or bool(mine and theirs and (mine <= theirs or theirs <= mine))
    return not isinstance(one, bool) and all(match_arguments({"": one}, {"": other}, None).values())


def _is_said(value: Any, said: str) -> bool:
    """Whether a value stands in what was said, word for word."""
    text = str(value).strip()
    return bool(text) and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", said, re.IGNORECASE) is not None


def _canonical(text: str) -> str:
    """What two ways of writing one value share: no case, marks, accents, plurals; digits for numbers, times in 24
    hours.

    >>> _canonical("Seven PM") == _canonical("19:00"), _canonical("5 Lights") == _canonical("five light")
    (True, True)
    """
    return "".join(_parts(text))


def _words(text: str) -> set[str]:
    return set(_parts(text))


def _parts(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in plain if not unicodedata.combining(char)).replace("’", "'")
    plain = re.sub(r"[a-z]+", lambda word: _NUMBERS.get(word[0], word[0]), plain)
    plain = _CLOCK.sub(_of_24_hours, plain)
    plain = re.sub(r"\b(\d{1,2}):(\d\d)(?::00)?\b", lambda found: f"{int(found[1]):02}{found[2]}", plain)
    plain = re.sub(r"(\d)(?:st|nd|rd|th)\b", r"\1", plain)
    parts = re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+", plain.replace("'s", ""))
    return [part[:-1] if len(part) > 3 and part.endswith("s") else part for part in parts]


def _of_24_hours(found: re.Match[str]) -> str:
    hour, half = int(found[1]), found[3][0]
    if half in "ap":
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02}:{found[2] or '00'}"


def _one_unit_away(expected: float, got: float) -> bool:
    try:
        if abs(expected - got) == 1:
            return True
        small, large = sorted((abs(expected), abs(got)))
        return any(small > 0 and large == small * unit for unit in _UNITS)
    except OverflowError:
        # an integer of hundreds of digits beside a fraction
        return False


def _next_to(expected: str, got: str) -> bool:
    """Whether two dates or times are one unit apart, or two texts differ in one number by one."""
    one, other = _moment(expected), _moment(got)
    if one is not None and other is not None and len(one) == len(other):
        if len(one) == 3 and abs(date(*one).toordinal() - date(*other).toordinal()) == 1:
            return True
        apart = [abs(left - right) for left, right in zip(one, other, strict=True)]
        return sum(apart) == 1
    left, right = _NUMBER.findall(expected), _NUMBER.findall(got)
    if _NUMBER.sub("#", expected) != _NUMBER.sub("#", got):
        return False
    changed = [(a, b) for a, b in zip(left, right, strict=True) if a != b]
    return len(changed) == 1 and _one_unit_away(float(changed[0][0]), float(changed[0][1]))


def _moment(text: str) -> tuple[int, ...] | None:
    """An ISO date as year, month and day, a time as hour and minute."""
    try:
        found = date.fromisoformat(text.strip())
        return found.year, found.month, found.day
    except ValueError:
        pass
    try:
        clock = time.fromisoformat(text.strip())
        return clock.hour, clock.minute
    except ValueError:
        return None
