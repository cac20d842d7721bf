"""Whom to ask and how + held-out rows -> their scores, slices and samples, and a report, kept as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from callwright.data import conversations
from callwright.pipeline.asking import weights_of
from callwright.pipeline.environment import digest, made_by
from callwright.pipeline.evaluate import by_source, report
from callwright.pipeline.replies import REPLIES, in_blocks
from callwright.pipeline.results import Results
from callwright.pipeline.rows import held_out_rows
from callwright.pipeline.scoring import Asked, latency, opened_scorer
from callwright.pipeline.shots import with_shots
from callwright.pipeline.slices import PLAIN, Outcome, score_slices
from callwright.recipe import Eval
from callwright.score.failures import write_report
from callwright.score.run import RowScore, failures_of, rescored
from callwright.score.sampling import flakiness
from callwright.score.slices import apart, slice_names
from callwright.tools import load_tools
from callwright.types import Conversation, Report


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked beside the rows as they are, and of them.

    tools: for rows that declare none. samples: how often rows are asked, where replies are drawn. slices: 'all', or
    names with commas. shots: so many rows of the file `shots_from` before each. timed: so many are asked again,
    one at a time.
    """

    tools: str | None = None
    samples: int = 1
    slices: str | None = None
    shots: int = 0
    shots_from: str | None = None
    timed: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What was asked, under its name in tables, with the report and the rows that it was made of."""

    name: str
    report: Report
    scores: list[RowScore]


class Watch(Protocol):
    """Whoever shows how far it is."""

    def scoring(self, name: str, done: int, total: int) -> None: ...


def score_held_out(
    asked: Asked, settings: Eval, wanted: Wanted, watch: Watch, output: tuple[Path, str] | None = None
) -> Found:
    """Scores the rows of `settings.data`. output: a folder for the report, and the command that it says it was made by;
    replies are kept there as they come, and the same call goes on with them where it was stopped.

    Raises DataError, ModelError, EngineError, RecipeError, and RunError where the folder holds the replies of an
    evaluation with other settings that is not finished.
    """
    names = slice_names(wanted.slices) if wanted.slices else []
    rows = apart(held_out_rows(settings, load_tools(wanted.tools) if wanted.tools else ()))
    pool = list(conversations(wanted.shots_from)) if wanted.shots_from else []
    shown = _showing(pool, wanted.shots, settings.seed)
    name, score_all = opened_scorer(asked)
    key = {**asdict(asked), **settings.model_dump(mode="json"), "shots": [wanted.shots, digest(pool)]}
    key |= weights_of(asked.model, Path(asked.adapter) if asked.adapter else None)
    started = time.monotonic()
    with Results(output[0] / REPLIES if output else None, key) as results:

        def score(what: str, some: Sequence[Conversation], run: int = 0) -> list[RowScore]:
            drawn = settings.model_copy(update={"seed": settings.seed + run})

            def ask(block: Sequence[Conversation], told: Callable[[int], None]) -> list[RowScore]:
                return score_all(block, drawn, told)

            made = in_blocks(
                shown(some), ask, results, f"{what} {run}", lambda done: watch.scoring(what, done, len(some))
            )
            return rescored(some, made) if pool else made

        runs = [score(name if wanted.samples == 1 else f"{name} {n + 1}", rows, n) for n in range(wanted.samples)]
        outcomes = score_slices(runs[0], names, score) if names else {}
    seconds = time.monotonic() - started
    made = by_source(name, runs[0])
    if wanted.samples > 1:
        made.aggregates["flakiness"] = flakiness(runs)
    if outcomes:
        made.aggregates["slices"] = {one: outcome.facts for one, outcome in outcomes.items()}
    if wanted.timed:
        made.aggregates["latency"] = latency(score_all, shown(rows[: wanted.timed + 1]), settings)
    if output:
        made = replace(made, made=made_by(output[1], settings.data, rows, seconds))
        _keep(output[0], made, runs[0], outcomes)
        # what was finished may be asked anew, with other settings too
        (output[0] / REPLIES).unlink()
    return Found(name, made, runs[0])


def _showing(
    pool: Sequence[Conversation], count: int, seed: int
) -> Callable[[Sequence[Conversation]], Sequence[Conversation]]:
    """Puts worked examples before rows, where there are any."""
    if not pool:
        return lambda rows: rows
    return lambda rows: with_shots(rows, pool, count, seed)


def _keep(folder: Path, made: Report, scores: Sequence[RowScore], outcomes: dict[str, Outcome]) -> None:
    """The report, and each slice's own."""
    write_report(folder, made, failures_of(scores))
    for name, outcome in outcomes.items():
        if name != PLAIN and outcome.scores:
            report(name, outcome.scores, folder / "slices" / name)
