"""A model + held-out rows -> scored rows and a report, through the same reply() that serving uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from callwright.dialects import dialect_for
from callwright.dialects.base import Dialect
from callwright.errors import DataError
from callwright.generate.local import LocalEngine
from callwright.generate.reply import Answer, Options, reply
from callwright.models.call_token import add_call_token
from callwright.models.hardware import detect
from callwright.models.load import load_model
from callwright.models.tokenizer import load_tokenizer
from callwright.pipeline.trained import trained_call_token, trained_dialect, with_adapter
from callwright.recipe import Eval
from callwright.score.failures import write_report
from callwright.score.run import RowScore, build_report, failures_of, score_row
from callwright.types import Conversation, Report


@dataclass(frozen=True)
class Subject:
    """What is scored: a model with its tokenizer and dialect, under a name."""

    name: str
    model: Any
    tokenizer: Any
    dialect: Dialect


def open_subject(model: str, adapter: Path | None, dialect: str) -> Subject:
    """A model by its name, with an adapter's folder or without one, loaded for this machine.

    dialect: 'auto' is the one that the adapter was trained in, or else the model's. Raises ModelError.
    """
    tokenizer = load_tokenizer(model)
    written = dialect_for(trained_dialect(dialect, adapter), tokenizer)
    token = trained_call_token(adapter)
    if token:
        add_call_token(tokenizer, token, written.family)
    loaded = load_model(model, detect())
    if adapter is None:
        return Subject("base", loaded, tokenizer, written)
    return Subject("tuned", with_adapter(loaded, adapter), tokenizer, written)


def evaluate(
    subject: Subject, rows: Sequence[Conversation], settings: Eval, watch: Callable[[int], None] = lambda done: None
) -> list[RowScore]:
    """Asks the model for the last turn of every row and scores it. `watch` is told how many are done."""
    engine = LocalEngine(subject.model, subject.tokenizer, subject.dialect.stops, batch_size=settings.batch_size)
    options = Options(mode=settings.mode, max_new_tokens=settings.max_new_tokens, seed=settings.seed)
    scores = []
    for score in score_with(engine, rows, subject.dialect, subject.tokenizer, options):
        scores.append(score)
        watch(len(scores))
    return scores


def score_with(
    engine: LocalEngine, rows: Sequence[Conversation], dialect: Dialect, tokenizer: Any, options: Options
) -> Iterator[RowScore]:
    """Each row's last turn, asked of an engine and scored. Raises DataError for a row that ends otherwise."""
    yield from (score for score, _ in answered(engine, rows, dialect, tokenizer, options))


def answered(
    engine: LocalEngine, rows: Sequence[Conversation], dialect: Dialect, tokenizer: Any, options: Options
) -> Iterator[tuple[RowScore, Answer]]:
    """As `score_with`, with the answers that were scored."""
    for row in rows:
        if not row.messages or row.messages[-1].role != "assistant":
            raise DataError(row.where or row.id, "a row to score must end with the expected assistant turn")
    asked = [replace(row, messages=row.messages[:-1]) for row in rows]
    for row, answer in zip(rows, reply(asked, dialect, tokenizer, engine, options), strict=True):
        yield score_row(row, answer.reply, answer.raw), answer


def report(subject: Subject, scores: Sequence[RowScore], folder: Path) -> Report:
    """Writes report.json and failures.jsonl. Rows are grouped by their source where there is more than one."""
    sources = {score.conversation.id: score.conversation.source for score in scores}
    categories = sources if len(set(sources.values())) > 1 else None
    made = build_report(subject.name, scores, categories)
    write_report(folder, made, failures_of(scores))
    return made
