"""What a user names -> its name in reports, and how rows are asked of it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from callwright.errors import RecipeError
from callwright.pipeline.evaluate import Scorer, at_endpoint, evaluate, open_subject
from callwright.pipeline.serving import Wanted, engine_named, served_scorer
from callwright.recipe import Eval
from callwright.types import Conversation, JsonObject


@dataclass(frozen=True, slots=True)
class Asked:
    """As the options of `callwright eval` have it; None where one was not given."""

    model: str
    adapter: str | None = None
    dialect: str = "auto"
    engine: str | None = None
    endpoint: str | None = None
    rendered: str | None = None


def check_asked(asked: Asked) -> None:
    """Raises RecipeError for what cannot go together, or an engine that there is not."""
    if asked.rendered and not asked.endpoint:
        raise RecipeError("--rendered says how prompts for an --endpoint are written; there is none")
    if asked.engine and asked.endpoint:
        raise RecipeError("--engine says what computes here; with --endpoint, a server does")
    engine_named(asked.engine or "auto")


def opened_scorer(asked: Asked) -> tuple[str, Scorer]:
    """Raises as `check_asked`, ModelError, EngineError."""
    check_asked(asked)
    folder = Path(asked.adapter) if asked.adapter else None
    if asked.endpoint:
        return asked.model, at_endpoint(asked.endpoint, asked.model, asked.rendered, folder, asked.dialect)
    if asked.engine or asked.model.endswith(".gguf"):
        adapters = (asked.adapter,) if asked.adapter else ()
        wanted = Wanted(asked.model, adapters, dialect=asked.dialect, engine=engine_named(asked.engine or "auto"))
        return "tuned" if asked.adapter else "base", served_scorer(wanted)
    subject = open_subject(asked.model, folder, asked.dialect)
    return subject.name, partial(evaluate, subject)


def latency(score: Scorer, rows: Sequence[Conversation], settings: Eval) -> JsonObject:
    """Milliseconds of a row that is asked alone: "median" and "p95" of "n". The first row makes everything ready (the
    cache of a tool block, kernels), and is not counted unless it is the only one."""
    taken = []
    for row in rows:
        started = time.perf_counter()
        score([row], settings, lambda done: None)
        taken.append(1000 * (time.perf_counter() - started))
    counted = sorted(taken[1:] or taken)
    return {"n": len(counted), "median": median(counted), "p95": counted[math.ceil(0.95 * len(counted)) - 1]}
