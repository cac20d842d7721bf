"""A model + held-out rows -> scored rows and a report, through the same reply() that serving uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from callwright.dialects import dialect_for
from callwright.dialects.base import Dialect
from callwright.errors import DataError
from callwright.generate.endpoint import EndpointEngine
from callwright.generate.local import LocalEngine
from callwright.generate.reply import Answer, Engine, Options, reply
from callwright.models.call_token import add_call_token
from callwright.models.hardware import detect
from callwright.models.load import load_model
from callwright.models.tokenizer import load_tokenizer
from callwright.pipeline.trained import trained_call_token, trained_dialect, with_adapter
from callwright.recipe import Eval
from callwright.score.failures import write_report
from callwright.score.run import RowScore, build_report, failures_of, score_row
from callwright.types import Conversation, JsonObject, Report

Scorer = Callable[[Sequence[Conversation], Eval, Callable[[int], None]], list[RowScore]]
"""Rows, how they are asked, and whom to tell how many are done -> the rows scored."""


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
    tokenizer, written = open_words(model, adapter, dialect)
    loaded = load_model(model, detect())
    if adapter is None:
        return Subject("base", loaded, tokenizer, written)
    return Subject("tuned", with_adapter(loaded, adapter), tokenizer, written)


def open_words(model: str, adapter: Path | None, dialect: str) -> tuple[Any, Dialect]:
    """The tokenizer and the dialect that go with an adapter, as `open_subject` says."""
    tokenizer = load_tokenizer(model)
    # a whole model that was trained or exported says it in its own folder
    notes = adapter or Path(model)
    written = dialect_for(trained_dialect(dialect, notes), tokenizer)
    token = trained_call_token(notes)
    if token:
        add_call_token(tokenizer, token, written.family)
    return tokenizer, written


def evaluate(
    subject: Subject, rows: Sequence[Conversation], settings: Eval, watch: Callable[[int], None] = lambda done: None
) -> list[RowScore]:
    """Asks the model for the last turn of every row and scores it. `watch` is told how many are done."""
    engine = LocalEngine(subject.model, subject.tokenizer, subject.dialect.stops, batch_size=settings.batch_size)
    return watched(score_with(engine, rows, subject.dialect, subject.tokenizer, options_of(settings)), watch)


def at_endpoint(url: str, model: str, rendered: str | None, adapter: Path | None, dialect: str) -> Scorer:
    """`evaluate` by an OpenAI-compatible server, which gets the conversations and their tools.

    rendered: a model whose tokenizer, with the adapter's and the dialect, writes the prompts here instead. Scoring
    raises EngineError.
    """
    tokenizer, written = open_words(rendered, adapter, dialect) if rendered else (None, None)
    engine = EndpointEngine(url, model, written.stops if written else ())

    def score(rows: Sequence[Conversation], settings: Eval, watch: Callable[[int], None]) -> list[RowScore]:
        options = options_of(settings)
        if written is None:
            return watched(score_natively(engine, rows, options), watch)
        return watched(score_with(engine, rows, written, tokenizer, options), watch)

    return score


def options_of(settings: Eval) -> Options:
    """How replies are written where they are scored."""
    return Options(
        mode=settings.mode,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        seed=settings.seed,
        constrain=settings.constrain,
    )


def watched(scores: Iterator[RowScore], watch: Callable[[int], None]) -> list[RowScore]:
    """All of them; `watch` is told how many are done."""
    found = []
    for score in scores:
        found.append(score)
        watch(len(found))
    return found


def score_with(
    engine: Engine, rows: Sequence[Conversation], dialect: Dialect, tokenizer: Any, options: Options
) -> Iterator[RowScore]:
    """Each row's last turn, asked of an engine and scored. Raises DataError for a row that ends otherwise."""
    yield from (score for score, _ in answered(engine, rows, dialect, tokenizer, options))


def answered(
    engine: Engine, rows: Sequence[Conversation], dialect: Dialect, tokenizer: Any, options: Options
) -> Iterator[tuple[RowScore, Answer]]:
    """As `score_with`, with the answers that were scored."""
    for row, answer in zip(rows, reply(asked_of(rows), dialect, tokenizer, engine, options), strict=True):
        yield score_row(row, answer.reply, answer.raw), answer


def score_natively(engine: EndpointEngine, rows: Sequence[Conversation], options: Options) -> Iterator[RowScore]:
    """As `score_with`, of a server that writes the prompts and reads the calls itself."""
    for row, answer in zip(rows, engine.answers(asked_of(rows), options), strict=True):
        yield score_row(row, answer.reply, answer.raw)


def asked_of(rows: Sequence[Conversation]) -> list[Conversation]:
    """The rows without their last turn."""
    for row in rows:
        if not row.messages or row.messages[-1].role != "assistant":
            raise DataError(row.where or row.id, "a row to score must end with the expected assistant turn")
    return [replace(row, messages=row.messages[:-1]) for row in rows]


def by_source(name: str, scores: Sequence[RowScore]) -> Report:
    """The report of some rows, grouped by their source where there is more than one."""
    sources = {score.conversation.id: score.conversation.source for score in scores}
    return build_report(name, scores, sources if len(set(sources.values())) > 1 else None)


def report(name: str, scores: Sequence[RowScore], folder: Path, made: JsonObject | None = None) -> Report:
    """Writes report.json and failures.jsonl of rows, as `by_source` has them. made: as `made_by` gives it."""
    built = replace(by_source(name, scores), made=made or {})
    write_report(folder, built, failures_of(scores))
    return built
