"""Points -> a line chart as inline SVG, without styles of its own: the page colours it, light, dark or printed."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 40
_STEPS = 5


@dataclass(frozen=True)
class Line:
    """points: (x, y), gaps where a y is no number. faint: drawn thin behind others. ends: (x, low, high) intervals."""

    name: str
    points: Sequence[tuple[float, float]]
    faint: bool = False
    dots: bool = False
    joined: bool = True
    ends: Sequence[tuple[float, float, float]] = ()


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def chart(title: str, x: str, y: str, lines: Sequence[Line], *, shares: bool = False) -> str:
    """An `<svg>` element. x, y: the axes' names; shares: y is between 0 and 1, and told in percent.

    Raises ValueError where no line has a point.
    """
    across = [point[0] for line in lines for point in line.points if math.isfinite(point[1])]
    up = [point[1] for line in lines for point in line.points if math.isfinite(point[1])]
    up += [end for line in lines for _, *ends in line.ends for end in ends]
    if not across:
        raise ValueError(f"chart {title!r}: no points")
    over_x = _Scale(*_limits(across), _LEFT, WIDTH - _RIGHT)
    over_y = _Scale(*((0.0, 1.0) if shares else _limits([0.0, *up])), HEIGHT - _BOTTOM, _TOP)
    parts = [*_axes(over_x, over_y, x, y, shares)]
    for number, line in enumerate(lines):
        parts += _line(line, number, over_x, over_y)
    parts += _legend(lines)
    label = html.escape(title, quote=True)
    return f'<svg class="lines" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    size = 10 ** math.floor(math.log10((high - low) / _STEPS))
    step = next(size * many for many in (1, 2, 5, 10) if (high - low) / (size * many) <= _STEPS + 1e-9)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _axes(over_x: _Scale, over_y: _Scale, x: str, y: str, shares: bool) -> list[str]:
    parts = []
    for value in ticks(over_y.low, over_y.high):
        at = over_y(value)
        told = f"{100 * value:.0f}%" if shares else f"{value:g}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{told}</text>')
    for value in ticks(over_x.low, over_x.high):
        at = over_x(value)
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">{value:,g}</text>')
    middle = (_TOP + HEIGHT - _BOTTOM) / 2
    parts.append(f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{html.escape(x)}</text>')
    parts.append(
        f'<text transform="translate(12 {middle:.0f}) rotate(-90)" text-anchor="middle">{html.escape(y)}</text>'
    )
    return parts


def _line(line: Line, number: int, over_x: _Scale, over_y: _Scale) -> list[str]:
    parts = [
        f'<line class="end line{number}" x1="{over_x(at):.1f}" x2="{over_x(at):.1f}" y1="{over_y(low):.1f}" '
        f'y2="{over_y(high):.1f}"/>'
        for at, low, high in line.ends
    ]
    path, pen = [], "M"
    for at, value in line.points:
        if not math.isfinite(value):
            pen = "M"
            continue
        path.append(f"{pen}{over_x(at):.1f} {over_y(value):.1f}")
        pen = "L"
    if line.joined:
        kind = " faint" if line.faint else ""
        parts.append(f'<path class="line{number}{kind}" d="{"".join(path)}"/>')
    if line.dots:
        parts += [
            f'<circle class="line{number}" cx="{over_x(at):.1f}" cy="{over_y(value):.1f}" r="3.5"/>'
            for at, value in line.points
            if math.isfinite(value)
        ]
    return parts


def _legend(lines: Sequence[Line]) -> list[str]:
    parts, at = [], _LEFT
    for number, line in enumerate(lines):
        kind = " faint" if line.faint else ""
        parts.append(
            f'<line class="key line{number}{kind}" x1="{at}" x2="{at + 18}" y1="{HEIGHT - 10}" y2="{HEIGHT - 10}"/>'
        )
        parts.append(f'<text x="{at + 23}" y="{HEIGHT - 6}">{html.escape(line.name)}</text>')
        at += 38 + 7 * len(line.name)
    return parts
