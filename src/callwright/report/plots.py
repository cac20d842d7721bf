"""`metrics.jsonl` of a training run -> SVGs of its loss and learning rate, and of its rewards."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callwright.errors import DataError
from callwright.report.charts import as_svg
from callwright.score.failures import write_atomically
from callwright.types import JsonObject

SMOOTHING = 0.9
"""How much of the past the smoothed line keeps at each step."""


@dataclass(frozen=True, slots=True)
class LossPoint:
    """One training step. `lr` is None where the row has none."""

    step: int
    loss: float
    lr: float | None


def loss_curve(metrics_jsonl: Path, svg: Path) -> None:
    """Draw the loss of every step, its smoothed line, and the learning rate on an axis of its own.

    Rows are `{"step", "loss", "lr", ...}`; rows without a loss (an evaluation) are passed over. Equal input gives
    an equal file with the same version of matplotlib. Raises DataError when the file holds no loss.
    """
    points = read_losses(metrics_jsonl)
    write_atomically(svg, _draw(points))


def reward_curve(metrics_jsonl: Path, svg: Path) -> None:
    """Draw the mean reward of every step and its smoothed line. Raises DataError when the file holds none."""
    rows = [row for row in read_metrics(metrics_jsonl) if _is_number(row.get("reward"))]
    if not rows:
        raise DataError(str(metrics_jsonl), "no row has a step and a reward")
    figure, axes = _smoothed("reward", [row["step"] for row in rows], [row["reward"] for row in rows], "tab:green")
    axes.legend(loc="lower right")
    write_atomically(svg, as_svg(figure, "callwright"))


def read_losses(metrics_jsonl: Path) -> list[LossPoint]:
    """The training steps of a `metrics.jsonl`. Raises DataError as `read_metrics` does, and when no row has a loss."""
    points = [
        LossPoint(int(row["step"]), float(row["loss"]), float(row["lr"]) if _is_number(row.get("lr")) else None)
        for row in read_metrics(metrics_jsonl)
    ]
    if not points:
        raise DataError(str(metrics_jsonl), "no row has a step and a loss; train for at least one step first")
    return points


def read_metrics(metrics_jsonl: Path) -> list[JsonObject]:
    """The rows of a `metrics.jsonl` in order of step; of a step that was run again, the last.

    Rows without a loss (an evaluation) are passed over.

    Raises DataError when the file cannot be read, or when a line other than the last is not a JSON object.
    """
    try:
        lines = metrics_jsonl.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(str(metrics_jsonl), f"cannot read the metrics ({error.strerror}); train first") from error
    found: dict[int, JsonObject] = {}
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line) if line.strip() else {}
        except ValueError as error:
            # A run that was killed leaves half a last line.
            if number == len(lines):
                break
            raise DataError(f"{metrics_jsonl}:{number}", f"not JSON ({error}); remove the line") from error
        if isinstance(row, dict) and _is_number(row.get("step")) and _is_number(row.get("loss")):
            found[int(row["step"])] = row
    return [found[step] for step in sorted(found)]


def smooth(losses: Sequence[float], keep: float = SMOOTHING) -> list[float]:
    """An exponential mean, corrected so that the first points are not pulled towards zero. NaN is passed over.

    >>> [round(value, 3) for value in smooth([2.0, 2.0, 1.0], keep=0.5)]
    [2.0, 2.0, 1.429]
    """
    total, weight = 0.0, 0.0
    smoothed = []
    for loss in losses:
        if math.isfinite(loss):
            total = keep * total + (1 - keep) * loss
            weight = keep * weight + (1 - keep)
        smoothed.append(total / weight if weight else math.nan)
    return smoothed


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _smoothed(name: str, steps: Sequence[int], values: Sequence[float], colour: str) -> tuple[Any, Any]:
    """A figure and its axes, with values by step as they are and smoothed."""
    # Here and not above: matplotlib takes a second to import. Figure, not pyplot: no window, no global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(steps, values, color=colour, alpha=0.3, linewidth=1, label=name, gid=name)
    axes.plot(steps, smooth(values), color=colour, linewidth=2, label=f"{name}, smoothed", gid="smoothed")
    axes.set_xlabel("step")
    axes.set_ylabel(name)
    axes.grid(alpha=0.3)
    return figure, axes


def _draw(points: Sequence[LossPoint]) -> str:
    steps = [point.step for point in points]
    figure, left = _smoothed("loss", steps, [point.loss for point in points], "tab:blue")
    handles, labels = left.get_legend_handles_labels()
    if any(point.lr is not None for point in points):
        right = left.twinx()
        rates = [math.nan if point.lr is None else point.lr for point in points]
        right.plot(steps, rates, color="tab:orange", linewidth=1, label="learning rate", gid="lr")
        right.set_ylabel("learning rate")
        right.set_ylim(bottom=0)
        handles, labels = [*handles, *right.get_lines()], [*labels, "learning rate"]
    left.legend(handles, labels, loc="upper right")
    return as_svg(figure, "callwright")
