"""A data file -> a LintReport, its mended rows or its tokens: all checks of a file's rows, on any engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any

from callwright.data import Reading, canonical, raw
from callwright.data.fields import Fields
from callwright.data.files import RawRow
from callwright.data.lint import KINDS, Linter, LintReport, Problem, SeenIds, fix
from callwright.data.packed import map_packed, unpack
from callwright.data.toolset import declared
from callwright.dialects import dialect_for
from callwright.pipeline.check import Checks, Outcome, few_collections
from callwright.scale import Engine, Function
from callwright.types import BadRow, Conversation, Rendered, Tool


@dataclass(frozen=True, slots=True)
class Lint:
    """What is checked, and how rows are rendered for it.

    `tools` for rows that declare none; `lenient` as in `read`; `mend` checks the rows as `fix` leaves them.
    """

    model: str
    dialect: str = "auto"
    max_length: int | None = None
    tools: tuple[Tool, ...] = ()
    lenient: bool = False
    mend: bool = False


def lint_file(
    source: str,
    how: Lint,
    *,
    output: str | None = None,
    format: str | None = None,
    limit: int | None = None,
    engine: Engine | None = None,
) -> tuple[LintReport, int]:
    """Checks a file's rows; with `output`, writes those without errors in canonical form. The number is of those.

    The report is the same on every engine: findings are added in the order of the rows, and ids are compared here.
    Raises DataError as `read` does.
    """
    report, seen = LintReport(), SeenIds()
    good = 0
    keep = "row" if output else ""
    with ExitStack() as stack:
        put = stack.enter_context(canonical.row_writer(output)) if output else None
        for where, row_id, found, row in _outcomes(source, how, keep, (format, limit), engine):
            problems = [Problem(*problem) for problem in found]
            problems += seen.check(row_id, where) if row_id is not None else []
            report.add(problems)
            if row_id is not None and not any(KINDS[problem.kind].severity == "error" for problem in problems):
                good += 1
                if put:
                    put(row, where)
    return report, good


def render_file(
    source: str, how: Lint, *, format: str | None = None, limit: int | None = None, engine: Engine | None = None
) -> Iterator[Rendered]:
    """The rows of a file as tokens with weights, in order; rows that cannot be read or rendered are left out."""
    for _, row_id, _, tokens in _outcomes(source, how, "tokens", (format, limit), engine):
        if tokens is not None:
            token_ids, weights, prefix_len = tokens
            yield Rendered(token_ids, weights, prefix_len, row_id)


def _outcomes(
    source: str, how: Lint, keep: str, part: tuple[str | None, int | None], engine: Engine | None
) -> Iterator[list[Any]]:
    format, limit = part
    reading, rows = raw(source, format=format)
    return islice(map_packed(engine, _Linting(reading, how, keep), reading.first(rows, limit)), limit)


@dataclass(frozen=True, slots=True)
class _Linting:
    """Packed raw rows -> for each of the rows in them: where it stood, its id, the findings, and what is to be kept."""

    reading: Reading
    how: Lint
    keep: str

    def start(self) -> Function:
        from callwright.models.tokenizer import load_tokenizer

        tokenizer = load_tokenizer(self.how.model)
        # ids are compared where all rows come together
        checks = Checks(dialect_for(self.how.dialect, tokenizer), tokenizer, self.how.max_length, Linter(ids=None))
        fields = Fields(lenient=self.how.lenient)

        def run(chunk: list[Any]) -> list[Any]:
            results: list[list[Any]] = []
            rows: list[Conversation | BadRow] = []
            places: list[tuple[int, int]] = []
            for place, packed in enumerate(chunk):
                results.append([])
                given = unpack(packed)
                # counted from 0, so that the first row of a file is among those that are decoded
                number = given.number - 1 if isinstance(given, RawRow) else 0
                for row in self.reading.rows(given, fields):
                    rows.append(self._prepared(row))
                    places.append((place, number))
            with few_collections():
                written = checks.written(rows)
                done = checks.finished(written, checks.tokenised(written), (number for _, number in places))
                for (place, _), outcome in zip(places, done, strict=True):
                    results[place].append(self._kept(outcome))
            return results

        return run

    def _prepared(self, row: Conversation | BadRow) -> Conversation | BadRow:
        if isinstance(row, BadRow):
            return row
        row = declared(row, self.how.tools)
        return fix(row) if self.how.mend else row

    def _kept(self, outcome: Outcome) -> list[Any]:
        row, problems, rendered = outcome
        found = [[problem.kind, problem.where, problem.row_id, problem.why] for problem in problems]
        if isinstance(row, BadRow):
            return [row.where, None, found, None]
        kept: Any = None
        if self.keep == "row":
            kept = canonical.to_row(row)
        elif self.keep == "tokens" and rendered is not None:
            kept = [rendered.token_ids, rendered.weights, rendered.prefix_len]
        return [row.where, row.id, found, kept]
