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


def _number(number: int, rng: random.Random, in_words: float = 0.3) -> str:
    return words(number) if number <= 100 and rng.random() < in_words else str(number)


_DURATIONS: tuple[Said, ...] = (
    ("half an hour", 30),
    ("a quarter of an hour", 15),
    ("an hour", 60),
    ("one hour", 60),
    ("an hour and a half", 90),
    ("one and a half hours", 90),
    ("three quarters of an hour", 45),
    ("a minute", 1),
    ("1.5 hours", 90),
    ("two and a half hours", 150),
    ("a couple of hours", 120),
    ("2.5 hours", 150),
    ("an hour and fifteen minutes", 75),
    ("1 hour 20 minutes", 80),
    ("an hour and ten minutes", 70),
)


def minutes(rng: random.Random) -> Said:
    """A duration in whole minutes, up to five hours."""
    kind = rng.random()
    if kind < 0.22:
        return rng.choice(_DURATIONS)
    if kind < 0.32:
        hours = rng.randint(2, 5)
        unit = rng.choice(["hours", "hours", "hrs", "h"])
        return f"{_number(hours, rng)} {unit}", hours * 60
    number = rng.choice([*range(1, 31), *range(5, 65, 5), rng.randint(31, 99)])
    unit = rng.choice(["minutes", "minutes", "minutes", "minute", "mins", "min"])
    joint = "-" if unit == "minute" and rng.random() < 0.5 else " "
    return f"{_number(number, rng)}{joint}{unit}", number


def degrees(rng: random.Random) -> Said:
    """A room temperature."""
    number = rng.randint(12, 28)
    tail = rng.choice(["", "", "", " degrees", " degrees", " degrees", " celsius", "°", " c"])
    return _number(number, rng) + tail, number


def percent(rng: random.Random) -> Said:
    """A loudness from 0 to 100."""
    number = rng.choice([*range(0, 101, 5), *range(10, 101, 10), rng.randint(1, 99)])
    return _number(number, rng) + rng.choice(["", "", "", "%", " percent", " percent"]), number


def clock(rng: random.Random) -> Said:
    """A time of day as people say it, meaning 24-hour HH:MM."""
    hour, minute = rng.randint(0, 23), rng.choice([0, 0, 0, 15, 30, 30, 45, *range(5, 60, 5), rng.randint(1, 59)])
    kind = rng.random()
    if kind < 0.06:
        return rng.choice([("noon", "12:00"), ("midday", "12:00"), ("midnight", "00:00")])
    if kind < 0.2:
        return f"{hour}:{minute:02d}" if hour >= 13 or rng.random() < 0.3 else f"{hour:02d}:{minute:02d}", _time(
            hour, minute
        )
    if kind < 0.36 and minute in (15, 30, 45):
        return _spoken(hour, minute, rng), _time(hour, minute)
    twelve = hour % 12 or 12
    if rng.random() < 0.6:
        half = rng.choice([" am", "am", " a.m.", "am"]) if hour < 12 else rng.choice([" pm", "pm", " p.m.", "pm"])
    else:
        half = _part_of_day(hour)
    shown = _number(twelve, rng) if minute == 0 else f"{twelve}:{minute:02d}"
    if minute and rng.random() < 0.15:
        shown = f"{words(twelve)} {words(minute) if minute > 9 else 'oh ' + words(minute)}"
    if minute == 0 and half.startswith((" in", " at")) and rng.random() < 0.5:
        shown += " o'clock"
    return shown + half, _time(hour, minute)


def _spoken(hour: int, minute: int, rng: random.Random) -> str:
    named = {15: "quarter past", 30: "half past", 45: "quarter to"}[minute]
    if minute == 45:
        hour = (hour + 1) % 24
    twelve = hour % 12 or 12
    # the hour that is named decides the part of the day, except just before noon and midnight
    part = _part_of_day(hour if minute != 45 else (hour - 1) % 24)
    if rng.random() < 0.4:
        before = (hour - 1) % 24 if minute == 45 else hour
        part = " am" if before < 12 else " pm"
    article = "" if minute == 30 else rng.choice(["", "a "])
    return f"{article}{named} {words(twelve) if rng.random() < 0.7 else twelve}{part}"


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
