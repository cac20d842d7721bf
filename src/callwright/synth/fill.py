"""Numbers and times as people say them, with the value that each means."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Said = tuple[str, Any]
"""A surface and the argument that it stands for."""

_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def words(number: int) -> str:
    """0 to 100 in words.

    >>> words(42), words(100)
    ('forty two', 'a hundred')
    """
    if number == 100:
        return "a hundred"
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] + (f" {_ONES[ones]}" if ones else "")


def number_said(number: int, rng: random.Random, in_words: float = 0.3) -> str:
    return words(number) if number <= 100 and rng.random() < in_words else str(number)


_DURATIONS: tuple[Said, ...] = (
    ("half an hour", 30),
    ("a half hour", 30),
    ("a quarter of an hour", 15),
    ("an hour", 60),
    ("one hour", 60),
    ("an hour and a half", 90),
    ("an hour and a quarter", 75),
    ("one and a half hours", 90),
    ("three quarters of an hour", 45),
    ("a minute", 1),
    ("a couple of hours", 120),
    ("a couple of minutes", 2),
)


def minutes(rng: random.Random) -> Said:
    """A duration in whole minutes, up to six hours."""
    kind = rng.random()
    if kind < 0.14:
        return rng.choice(_DURATIONS)
    if kind < 0.26:
        return _hours(rng)
    if kind < 0.36:
        return _hours_and_minutes(rng)
    number = rng.choice([*range(1, 31), *range(5, 65, 5), rng.randint(31, 99)])
    unit = rng.choice(["minutes", "minutes", "minutes", "minute", "mins", "min"])
    joint = "-" if unit == "minute" and rng.random() < 0.5 else " "
    return f"{number_said(number, rng)}{joint}{unit}", number


def _hours(rng: random.Random) -> Said:
    hours = rng.randint(2, 6)
    if rng.random() < 0.25:
        half = rng.choice((f"{hours}.5 hours", f"{words(hours)} and a half hours", f"{hours} and a half hours"))
        return half, hours * 60 + 30
    unit = rng.choice([" hours", " hours", " hrs", "h", " hour", "-hour"])
    said = str(hours) if unit == "h" else number_said(hours, rng, 0.5)
    return said + unit, hours * 60


def _hours_and_minutes(rng: random.Random) -> Said:
    hours, more = rng.randint(1, 4), rng.choice([*range(5, 60, 5)])
    one = rng.choice(("an hour", "one hour", "1 hour")) if hours == 1 else f"{number_said(hours, rng, 0.5)} hours"
    joint = rng.choice((" and ", " and ", " ", ", "))
    return f"{one}{joint}{number_said(more, rng)} {rng.choice(('minutes', 'minutes', 'mins'))}", hours * 60 + more


def degrees(rng: random.Random) -> Said:
    """A room temperature."""
    number = rng.randint(12, 28)
    tail = rng.choice(["", "", "", " degrees", " degrees", " degrees", " celsius", "°", " c"])
    return number_said(number, rng) + tail, number


def percent(rng: random.Random) -> Said:
    """A loudness from 0 to 100."""
    number = rng.choice([*range(0, 101, 5), *range(10, 101, 10), rng.randint(1, 99)])
    return number_said(number, rng) + rng.choice(["", "", "", "%", " percent", " percent"]), number


def clock(rng: random.Random) -> Said:
    """A time of day as people say it, meaning 24-hour HH:MM; without a part of the day it is as the clock says it."""
    hour, minute = rng.randint(0, 23), rng.choice([0, 0, 0, 15, 30, 30, 45, *range(5, 60, 5), rng.randint(1, 59)])
    kind = rng.random()
    if kind < 0.06:
        return rng.choice([("noon", "12:00"), ("midday", "12:00"), ("midnight", "00:00")])
    if kind < 0.2:
        shown = f"{hour}:{minute:02d}" if hour >= 13 or rng.random() < 0.3 else f"{hour:02d}:{minute:02d}"
        return shown, _time(hour, minute)
    bare = rng.random() < 0.25
    hour = hour % 12 or 12 if bare else hour
    if kind < 0.42 and minute in _RELATIVE:
        return _relative(hour, minute, rng, bare=bare), _time(hour, minute)
    twelve = hour % 12 or 12
    shown = number_said(twelve, rng) if minute == 0 else f"{twelve}{rng.choice(':::.')}{minute:02d}"
    if minute and rng.random() < 0.15:
        shown = f"{words(twelve)} {words(minute) if minute > 9 else 'oh ' + words(minute)}"
    half = "" if bare else _half(hour, rng)
    if minute == 0 and not half.strip().startswith(("a", "p")) and rng.random() < 0.5:
        shown += " o'clock"
    if half and shown[-1].isalpha() and half[0] != " ":
        half = f" {half}"
    return shown + half, _time(hour, minute)


# minutes that are said from the full hour: before it, or after it
_RELATIVE = {
    5: "five past", 10: "ten past", 15: "quarter past", 20: "twenty past", 25: "twenty five past", 30: "half past",
    35: "twenty five to", 40: "twenty to", 45: "quarter to", 50: "ten to", 55: "five to",
}  # fmt: skip


def _relative(hour: int, minute: int, rng: random.Random, *, bare: bool) -> str:
    named = _RELATIVE[minute]
    to = minute > 30
    next_hour = (hour + 1) % 24 if to else hour
    twelve = next_hour % 12 or 12
    part = "" if bare else _half(hour, rng)
    article = rng.choice(("", "a ")) if "quarter" in named else ""
    return f"{article}{named} {words(twelve) if rng.random() < 0.7 else twelve}{part}"


def _half(hour: int, rng: random.Random) -> str:
    """The half of the day as letters, or the part of it in words."""
    if rng.random() < 0.6:
        return rng.choice([" am", "am", " a.m.", "am"] if hour < 12 else [" pm", "pm", " p.m.", "pm"])
    return _part_of_day(hour)


def _part_of_day(hour: int) -> str:
    if hour < 12:
        return " in the morning"
    if hour < 18:
        return " in the afternoon"
    return " in the evening" if hour < 22 else " at night"


def _time(hour: int, minute: int) -> str:
    return f"{hour:02d}:{minute:02d}"


BUILT_IN: dict[str, Callable[[random.Random], Said]] = {
    "@minutes": minutes,
    "@degrees": degrees,
    "@percent": percent,
    "@clock": clock,
}
"""Pools that a phrasebook may name for a parameter."""
