"""Segments -> segments cut by meaning, and with a loss weight for each meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from callwright.dialects.family import Family
from callwright.types import Kind, Segment

_PROMPT = (Kind.PREFIX, Kind.PROMPT)

MEANINGS: Mapping[str, Kind] = {kind.value: kind for kind in Kind if kind not in _PROMPT}
"""What a recipe can weigh, by its name there."""


def by_meaning(segments: Iterable[Segment], family: Family) -> Iterator[Segment]:
    """Arguments cut into keys, values and scaffolding, and the decision of each turn set apart.

    The decision is the first word of a turn's text, and what opens its first call, behind text or not.
    """
    decided = False
    for segment in segments:
        if segment.kind in _PROMPT:
            decided = False
            yield segment
        elif segment.kind is Kind.ARGUMENT:
            yield from (Segment(text, kind, segment.weight) for text, kind in family.refine(segment.text) if text)
        elif segment.kind is Kind.SCAFFOLD and not decided and (mark := _opening(segment.text, family)):
            decided = True
            before, behind = segment.text.split(mark, 1)
            parts = ((before, Kind.SCAFFOLD), (mark, Kind.DECISION), (behind, Kind.SCAFFOLD))
            yield from (Segment(text, kind, segment.weight) for text, kind in parts if text)
        elif segment.kind is Kind.TEXT and not decided:
            first = segment.text.split(maxsplit=1)[0] if segment.text.split() else segment.text
            end = segment.text.index(first) + len(first)
            yield replace(segment, text=segment.text[:end], kind=Kind.DECISION)
            if segment.text[end:]:
                yield replace(segment, text=segment.text[end:])
        else:
            yield segment


def _opening(text: str, family: Family) -> str:
    """What of a family's opening stands in this scaffolding; "" for nothing."""
    # calls without a delimiter begin with their brace
    mark = family.opening_mark or family.layout.opening or "{"
    return mark if mark and mark in text else ""


def weigh(segments: Iterable[Segment], family: Family, weights: Mapping[Kind, float]) -> list[Segment]:
    """Segments by meaning, the loss weight of each multiplied by that of its meaning; 1 where none is given."""
    return [
        replace(segment, weight=segment.weight * weights.get(segment.kind, 1.0)) if segment.weight else segment
        for segment in by_meaning(segments, family)
    ]
