"""Plain chat rows -> what training did to the rest of a model, and a gate on it: their perplexity before and after, how
many are still answered without a call, and how many short instructions are still followed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from callwright.data import conversations
from callwright.dialects.tokenise import render_many
from callwright.errors import DataError, RunError
from callwright.generate.local import LocalEngine
from callwright.generate.reply import Options
from callwright.models import attention
from callwright.pipeline.evaluate import Subject, score_with
from callwright.pipeline.folder import write_json
from callwright.pipeline.workshop import Workshop
from callwright.recipe import Retention
from callwright.score.instructions import broken_checks, instructions
from callwright.score.stats import wilson
from callwright.train.batch import Plan, flatten, passes
from callwright.train.logprobs import Scorer
from callwright.train.loop import singles
from callwright.types import Conversation, Tool

# flat tokens of a pass without gradients
_PASS = 4096
# tokens of an answer that tell a call from a text
_ANSWER = 48
# and of an answer to an instruction: forty words are asked for at most
_FOLLOWED = 96


@dataclass(frozen=True)
class Kept:
    """Perplexity a token of the assistant's own turns, before and after, over so many rows and tokens; and of `answers`
    rows the share that was answered without a call, of `instructions` those that were followed; None where none was
    asked."""

    rows: int
    tokens: int
    before: float
    after: float
    answers: int = 0
    abstained_before: float | None = None
    abstained_after: float | None = None
    instructions: int = 0
    followed_before: float | None = None
    followed_after: float | None = None

    @property
    def rise(self) -> float:
        """How much higher it is, as a share: 0.1 is a tenth."""
        return self.after / self.before - 1

    def facts(self) -> dict[str, str]:
        """What is printed."""
        made = {"plain chat": f"perplexity {self.before:.2f} before, {self.after:.2f} after ({self.rise:+.1%})"}
        if self.abstained_before is not None and self.abstained_after is not None:
            shares = f"{self.abstained_before:.1%} before, {self.abstained_after:.1%} after"
            made["answered without a call"] = f"{shares}, of {self.answers}"
        if self.followed_before is not None and self.followed_after is not None:
            told = (_share(share, self.instructions) for share in (self.followed_before, self.followed_after))
            made["instructions followed"] = "{} before, {} after, of {}".format(*told, self.instructions)
        return made


def _share(value: float, n: int) -> str:
    ends = wilson(value * n, n)
    return f"{value:.1%} [{100 * ends.low:.1f}, {100 * ends.high:.1f}]"


def retention_rows(settings: Retention, replayed: int = 0) -> tuple[list[Conversation], list[Conversation]]:
    """Rows of the file in which an assistant talks and calls nothing: those to measure, and `replayed` others to train
    on, as far as there are so many. Raises DataError where there are none."""
    rows = [
        row
        for row in conversations(Path(settings.data))
        if any(message.role == "assistant" for message in row.messages)
        and not any(message.calls for message in row.messages)
    ]
    if not rows:
        raise DataError(settings.data, "has no row in which the assistant talks and calls nothing ('retention.data')")
    random.Random(settings.seed).shuffle(rows)
    return rows[: settings.rows], rows[settings.rows :][:replayed]


def perplexity(model: Any, rows: Sequence[Conversation], workshop: Workshop, max_length: int) -> tuple[float, int]:
    """exp of the mean loss of the assistant's tokens in rows, which begin alike or not; and how many tokens.

    Raises DataError where every row is longer than `max_length` tokens.
    """
    rendered = [
        row for row in render_many(rows, workshop.dialect, workshop.tokenizer) if len(row.token_ids) <= max_length
    ]
    if not rendered:
        raise DataError("retention.data", f"every row is longer than {max_length} tokens")
    total, count = 0.0, 0
    with torch.no_grad(), attention.installed(model):
        scorer = Scorer(model)
        for some in passes(singles(rendered), Plan(len(rendered), _PASS, 0))[0]:
            found, _ = scorer(flatten(some).to(model.device))
            total -= float(found.sum())
            count += len(found)
    return math.exp(total / count), count


def abstention(subject: Subject, rows: Sequence[Conversation], tools: Sequence[Tool]) -> float | None:
    """The share of rows whose last turn is answered without a call, with these tools declared (the rows' own where
    there are none); None where no row ends in such a turn."""
    asked = [replace(row, tools=tuple(tools) or row.tools) for row in rows if row.messages[-1].role == "assistant"]
    engine = LocalEngine(subject.model, subject.tokenizer, subject.dialect.stops)
    # what begins with a text is one, however long
    options = Options(max_new_tokens=_ANSWER)
    scores = list(score_with(engine, asked, subject.dialect, subject.tokenizer, options))
    return sum(not score.reply.calls and not score.reply.broken for score in scores) / len(scores) if scores else None


def followed(subject: Subject, count: int) -> float | None:
    """The share of the first `count` short instructions whose answers pass every check; None where count is 0."""
    asked = instructions()[:count]
    if not asked:
        return None
    engine = LocalEngine(subject.model, subject.tokenizer, subject.dialect.stops)
    options = Options(max_new_tokens=_FOLLOWED)
    scores = score_with(engine, [one.row for one in asked], subject.dialect, subject.tokenizer, options)
    # a call is no answer to any of them
    right = [
        not score.reply.calls and not broken_checks(one, score.reply.text)
        for one, score in zip(asked, scores, strict=True)
    ]
    return sum(right) / len(right)


def check(kept: Kept, settings: Retention, folder: Path) -> None:
    """Writes `retention.json`. Raises RunError where perplexity rose by more than is allowed."""
    write_json(folder / "retention.json", {**asdict(kept), "rise": kept.rise, "most": settings.most})
    if settings.most is not None and kept.rise > settings.most:
        raise RunError(
            f"retention: the perplexity of plain chat rose by {kept.rise:.1%} ({kept.before:.2f} to {kept.after:.2f}), "
            f"{settings.most:.1%} are allowed; mix such rows in (retention.replay: 0.1), train fewer steps, or lower "
            f"the learning rate; {folder} keeps what was trained"
        )
    before, after = kept.abstained_before, kept.abstained_after
    if settings.most is not None and before is not None and after is not None and before - after > settings.most:
        raise RunError(
            f"retention: {after:.1%} of {kept.answers} plain chat rows are answered without a call, {before:.1%} were "
            f"before training; mix such rows in (retention.replay: 0.1); {folder} keeps what was trained"
        )
    before, after = kept.followed_before, kept.followed_after
    if settings.most is not None and before is not None and after is not None and before - after > settings.most:
        raise RunError(
            f"retention: {after:.1%} of {kept.instructions} short instructions are followed, {before:.1%} were before "
            f"training; mix such rows in (retention.replay: 0.1); {folder} keeps what was trained"
        )
