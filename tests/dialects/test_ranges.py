"""Expressions for numbers within limits, against comparing the numbers."""

from __future__ import annotations

import re
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.dialects.constrain.ranges import within_limits

LIMITS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
bounds = st.one_of(st.integers(-120, 120), st.decimals(-3, 3, places=3).map(float), st.integers(-(10**6), 10**6))


def admitted(limits: dict[str, float], value: Decimal) -> bool:
    low, low_out, high, high_out = (
        Decimal(repr(limits[key])) if key in limits else None for key in ("minimum", "exclusiveMinimum", *LIMITS[2:])
    )
    return (
        (low is None or value >= low)
        and (low_out is None or value > low_out)
        and (high is None or value <= high)
        and (high_out is None or value < high_out)
    )


@settings(max_examples=300)
@given(st.data())
def test_numbers_within_limits(data: st.DataObject) -> None:
    limits = {key: data.draw(bounds) for key in LIMITS if data.draw(st.booleans())}
    made = re.compile(within_limits(limits) or "(?!)")
    near = [Decimal(repr(limit)) + Decimal(step) / 1000 for limit in limits.values() for step in (-999, -1, 0, 1, 10)]
    drawn = [Decimal(data.draw(st.integers(-200_000, 200_000))).scaleb(-data.draw(st.integers(0, 4))) for _ in range(9)]
    for value in [*near, *drawn]:
        plain = value.normalize()
        for text in {format(plain, "f"), format(value, "f")}:
            assert bool(made.fullmatch(text)) is admitted(limits, value) or (not value and text[0] == "-"), text
