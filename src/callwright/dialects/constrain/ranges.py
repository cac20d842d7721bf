"""Limits of a decimal number -> a regular expression for its digits, without exponents.

llguidance has its own, which refuses 1.3 under a maximum of 1.375 and admits an excluded 1 below 1.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

_MORE = "[0-9]*"
_SOME = "[0-9]*[1-9][0-9]*"
_FRACTION = r"(?:\.[0-9]+)?"


def within_limits(limits: Mapping[str, Any]) -> str:
    """Numbers within minimum, maximum, exclusiveMinimum and exclusiveMaximum; "" for none.

    >>> import re
    >>> made = within_limits({"exclusiveMinimum": 1, "maximum": 1.375})
    >>> [text for text in ("1", "1.0", "1.01", "1.3", "1.375", "1.3750", "1.4") if re.fullmatch(made, text)]
    ['1.01', '1.3', '1.375', '1.3750']
    """
    low = _tighter(max, limits, "minimum", "exclusiveMinimum")
    high = _tighter(min, limits, "maximum", "exclusiveMaximum")
    parts = []
    if high is None or high[0] > 0 or high == (Decimal(0), False):
        floor = low if low is not None and low[0] >= 0 else (Decimal(0), False)
        parts += _positive(floor, high)
    if low is None or low[0] < 0:
        ceiling = None if low is None else (-low[0], low[1])
        floor = (-high[0], high[1]) if high is not None and high[0] <= 0 else (Decimal(0), False)
        parts += ["-" + part for part in _positive(floor, ceiling)]
    return "|".join(parts)


Bound = tuple[Decimal, bool]
"""A limit, and whether it is excluded."""


def _tighter(which: Any, limits: Mapping[str, Any], usual: str, excluded: str) -> Bound | None:
    found = [(Decimal(repr(limits[key])), key == excluded) for key in (usual, excluded) if key in limits]
    if not found:
        return None
    value = which(bound for bound, _ in found)
    return value, any(is_out for bound, is_out in found if bound == value)


def _positive(low: Bound, high: Bound | None) -> list[str]:
    """Numbers from low to high, neither of them negative."""
    if high is not None and (low[0] > high[0] or (low[0] == high[0] and (low[1] or high[1]))):
        return []
    first, start = _digits(low[0])
    if high is None:
        return [f"{first}{_from(start, low[1])}", f"(?:{_beyond(first)}){_FRACTION}"]
    last, end = _digits(high[0])
    if first == last:
        return [first + one for one in _between(start, low[1], end, high[1])]
    parts = [f"{first}{_from(start, low[1])}"]
    inner = "|".join(_whole(int(first) + 1, int(last) - 1))
    parts += [f"(?:{inner}){_FRACTION}"] if inner else []
    return parts + [last + one for one in _to(end, high[1])]


def _digits(value: Decimal) -> tuple[str, str]:
    """The digits before and behind the point, without zeros at the end."""
    whole, _, fraction = format(value, "f").partition(".")
    return whole, fraction.rstrip("0")


def _from(start: str, excluded: bool) -> str:
    """What may stand behind the whole part of a number that is at least .start."""
    if not start:
        return rf"\.{_SOME}" if excluded else _FRACTION
    return rf"\.(?:{'|'.join(_tail_from(start, excluded))})"


def _tail_from(start: str, excluded: bool) -> Iterator[str]:
    """Digits that are at least these."""
    for place, digit in enumerate(start):
        if digit != "9":
            yield f"{start[:place]}[{int(digit) + 1}-9]{_MORE}"
    yield start + (_SOME if excluded else _MORE)


def _to(end: str, excluded: bool) -> Iterator[str]:
    """What may stand behind the whole part of a number that is at most .end."""
    if end:
        yield rf"(?:\.(?:{'|'.join(_tail_to(end, excluded))}))?"
    elif not excluded:
        yield r"(?:\.0+)?"


def _tail_to(end: str, excluded: bool) -> Iterator[str]:
    """Digits, at least one, that are at most these."""
    for place, digit in enumerate(end):
        if digit != "0":
            yield f"{end[:place]}[0-{int(digit) - 1}]{_MORE}"
        if place:
            yield end[:place]
    if not excluded:
        yield end + "0*"


def _between(start: str, start_out: bool, end: str, end_out: bool) -> Iterator[str]:
    """Fractions, with their point, from .start to .end."""
    if not start:
        if start_out:
            yield rf"\.(?:{'|'.join(_above_zero(end, end_out))})"
        else:
            yield from _to(end, end_out)
        return
    shared = next((place for place, pair in enumerate(zip(start, end, strict=False)) if pair[0] != pair[1]), len(start))
    head = start[:shared]
    tails = []
    if shared == len(start):  # `end` goes on, or they are equal
        rest = end[shared:]
        tails += [] if start_out else ["0*"]
        tails += [tail for tail in _above_zero(rest, end_out)] if rest else []
    else:
        low, high = int(start[shared]), int(end[shared])
        tails += [f"{low}{tail}" for tail in _tail_or_end(start[shared + 1 :], start_out)]
        tails += [f"[{low + 1}-{high - 1}]{_MORE}"] if high - low > 1 else []
        rest = end[shared + 1 :]
        tails += [f"{high}{tail}" for tail in (_tail_to(rest, end_out) if rest else () if end_out else ["0*"])]
        tails += [str(high)] if rest else []
    yield rf"\.{head}(?:{'|'.join(tails)})"


def _tail_or_end(start: str, excluded: bool) -> Iterator[str]:
    if start:
        yield from _tail_from(start, excluded)
    else:
        yield _SOME if excluded else _MORE


def _above_zero(end: str, excluded: bool) -> Iterator[str]:
    """Digits that are more than zeros and at most these."""
    for place, digit in enumerate(end):
        if int(digit) > 1:
            yield f"{end[:place]}[1-{int(digit) - 1}]{_MORE}"
        if digit != "0":
            yield f"{end[:place]}0{_SOME}"
        if place and end[:place].strip("0"):
            yield end[:place]
    if not excluded:
        yield end + "0*"


def _beyond(whole: str) -> str:
    """Whole numbers that are greater."""
    parts = [f"[1-9][0-9]{{{len(whole)},}}"]
    for place, digit in enumerate(whole):
        if digit != "9":
            parts.append(f"{whole[:place]}[{int(digit) + 1}-9][0-9]{{{len(whole) - place - 1}}}")
    return "|".join(parts)


def _whole(low: int, high: int) -> Iterator[str]:
    """Whole numbers from low to high."""
    while low <= high:
        # the most digits at the end that can be anything
        free = 0
        while low % 10 ** (free + 1) == 0 and low + 10 ** (free + 1) - 1 <= high and low >= 10 ** (free + 1):
            free += 1
        step = 10**free
        digit = low // step % 10
        last = digit
        while last < 9 and low + (last - digit + 2) * step - 1 <= high:
            last += 1
        head = str(low // step // 10) if low // step >= 10 else ""
        yield f"{head}[{digit}-{last}]{f'[0-9]{{{free}}}' if free else ''}"
        low += (last - digit + 1) * step
