"""Counts -> small SVG charts, as text that can stand inside an HTML page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

BAR = "tab:blue"


def bars(counts: Sequence[tuple[str, int]], title: str) -> str:
    """Horizontal bars, the first on top, each with its count."""
    # Figure, not pyplot: no window, no global state
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 0.6 + 0.26 * max(len(counts), 1)), layout="constrained")
    axes = figure.add_subplot()
    names = [_short(name) for name, _ in counts]
    places = range(len(counts))
    drawn = axes.barh(places, [count for _, count in counts], color=BAR)
    # the text of a name is a user's: never a formula between dollar signs
    axes.set_yticks(places, names, parse_math=False)
    axes.bar_label(drawn, [f"{count:,}" for _, count in counts], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.tick_params(labelsize=8)
    return as_svg(figure, title)


def histogram(bins: Sequence[tuple[int, int, int]], title: str, marks: Sequence[tuple[str, int]] = ()) -> str:
    """Bars over (first, last, rows); `marks` are named values, drawn as lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.add_subplot()
    starts = [first for first, _, _ in bins]
    widths = [last - first + 1 for first, last, _ in bins]
    axes.bar(starts, [rows for _, _, rows in bins], width=widths, align="edge", color=BAR, alpha=0.8)
    for name, value in marks:
        axes.axvline(value, color="tab:orange", linewidth=1)
        axes.annotate(name, (value, 1), xycoords=("data", "axes fraction"), fontsize=7, rotation=90, va="top")
    axes.set_ylabel("rows", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.margins(x=0.01)
    return as_svg(figure, title)


def reliability_diagram(before: Sequence[tuple[float, float, int]], after: Sequence[tuple[float, float, int]]) -> str:
    """Bins (mean probability, share right, calls) of plain and of calibrated probabilities, beside the diagonal."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="tab:gray", linewidth=1, linestyle="--")
    for name, bins, colour in (("plain", before, "tab:orange"), ("calibrated", after, BAR)):
        chances, shares = [one for one, _, _ in bins], [one for _, one, _ in bins]
        axes.plot(chances, shares, "o-", color=colour, label=name, markersize=4)
    axes.set_xlabel("probability that a call is right")
    axes.set_ylabel("share that is right")
    axes.legend(loc="upper left")
    return as_svg(figure, "callwright")


def as_svg(figure: Any, salt: str) -> str:
    """The `<svg>` element of a figure. Equal input gives equal text with the same version of matplotlib."""
    import matplotlib

    buffer = io.StringIO()
    # hashsalt and no date make it reproducible; fonttype "none" keeps text as text
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    written = buffer.getvalue()
    return written[written.index("<svg") :]


def _short(name: str) -> str:
    return name if len(name) <= 40 else name[:39] + "…"
