"""Rows + a dialect -> a LintReport: the checks of the data and of its rendering together."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

from callwright.data.fit import shorten
from callwright.data.lint import KINDS, Linter, LintReport, Problem, bad_row
from callwright.dialects.base import Dialect
from callwright.dialects.check import check_length, check_render, check_text, check_tokens
from callwright.dialects.tokenise import pieces_of, render, tokenise
from callwright.dialects.views import views
from callwright.errors import DataError
from callwright.pipeline.folder import write_json
from callwright.types import BadRow, Conversation, Rendered, Segment

# The tokens of one row in so many are decoded and compared; the segments of every row are.
_DECODE_EVERY = 50


Outcome = tuple[Conversation | BadRow, list[Problem], Rendered | None]


@contextmanager
def few_collections() -> Iterator[None]:
    """Rows are trees without cycles, and looking for cycles among so many took a sixth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(frozen=True)
class Written:
    """A chunk of rows with what was found in them and their text; no segments where there is none."""

    rows: Sequence[Conversation | BadRow]
    problems: list[list[Problem]]
    segments: list[list[Segment]]


@dataclass(frozen=True)
class Checks:
    """Everything that is checked of a row on its own and in its rendering, a chunk of rows at a time."""

    dialect: Dialect
    tokenizer: Any
    max_length: int | None
    linter: Linter

    def written(self, chunk: Sequence[Conversation | BadRow]) -> Written:
        """The rows as text, with what the data and the text show."""
        problems: list[list[Problem]] = []
        segments: list[list[Segment]] = []
        for row in chunk:
            found: list[Problem] = []
            text: list[Segment] = []
            if isinstance(row, BadRow):
                found.append(bad_row(row))
            else:
                found += self.linter.check(row)
                try:
                    # the last view has the most text; a row that needs several is trained as all of them
                    for view in views(row, self.dialect):
                        text = list(self.dialect.segments(view))
                        found += check_text(row, text)
                        found += check_render(view, self.dialect, text)
                except DataError as error:
                    found.append(Problem("lost in rendering", row.where, row.id, error.what))
            problems.append(found)
            segments.append([] if any(problem.kind == "broken text" for problem in found) else text)
        return Written(chunk, problems, segments)

    def tokenised(self, written: Written) -> list[Rendered]:
        """The rows that have a text, in order."""
        some = [(row, segments) for row, segments in zip(written.rows, written.segments, strict=True) if segments]
        ids = [row.id if isinstance(row, Conversation) else "" for row, _ in some]
        return list(tokenise([pieces_of(segments) for _, segments in some], ids, self.tokenizer))

    def finished(self, written: Written, tokens: Sequence[Rendered], numbers: Iterable[int]) -> Iterator[Outcome]:
        """Each row with all that was found in it. `numbers`: its number in the file, which says whether to decode."""
        rendered = iter(tokens)
        for row, problems, segments, number in zip(
            written.rows, written.problems, written.segments, numbers, strict=False
        ):
            made = next(rendered) if segments else None
            if made is not None and isinstance(row, Conversation):
                problems += check_length(row, made, self.max_length) if self.max_length else []
                if number % _DECODE_EVERY == 0:
                    problems += check_tokens(row, segments, made, self.tokenizer.decode)
            yield row, problems, made


@dataclass
class Checker:
    """The checks over the rows of a file, and the tokens that they leave for training."""

    dialect: Dialect
    tokenizer: Any
    max_length: int | None = None
    report: LintReport = field(default_factory=LintReport)

    def check(self, rows: Iterable[Conversation | BadRow], batch: int = 512) -> Iterator[Outcome]:
        """Rows, in order, with what was found in them and their rendering (None where there is none)."""
        checks = Checks(self.dialect, self.tokenizer, self.max_length, Linter())
        source = iter(rows)
        with ThreadPoolExecutor(1) as thread, few_collections():
            waiting: tuple[Written, Future[list[Rendered]]] | None = None
            # the tokenizer works without the interpreter's lock, so the next rows are checked meanwhile
            while chunk := list(islice(source, batch)):
                written = checks.written(chunk)
                tokens = thread.submit(checks.tokenised, written)
                if waiting:
                    yield from self._finished(checks, *waiting)
                waiting = written, tokens
            if waiting:
                yield from self._finished(checks, *waiting)

    def length(self, row: Conversation) -> int:
        """Tokens of a row, rendered."""
        return len(render(row, self.dialect, self.tokenizer).token_ids)

    def _finished(self, checks: Checks, written: Written, tokens: Future[list[Rendered]]) -> Iterator[Outcome]:
        for outcome in checks.finished(written, tokens.result(), count(self.report.rows)):
            self.report.add(outcome[1])
            yield outcome


def lint_rows(rows: Iterable[Conversation], checker: Checker, output: Path, *, drop: bool) -> list[Conversation]:
    """Checks rows and writes the report; the rows without errors, shortened where they are too long and can be.

    Raises DataError where there are errors, which would be trained, unless `drop` leaves those rows out.
    """
    kept = []
    for row, problems, _ in checker.check(rows):
        if not isinstance(row, Conversation) or any(KINDS[problem.kind].severity == "error" for problem in problems):
            continue
        if checker.max_length and any(problem.kind == "too long" for problem in problems):
            row = shorten(row, checker.length, checker.max_length) or row
        kept.append(row)
    report = checker.report
    write_json(output, report.to_json())
    if report.errors and not drop:
        kind = next(kind for kind in report.first if KINDS[kind].severity == "error")
        first = report.first[kind][0]
        raise DataError(
            first.where or first.row_id,
            f"{first.why} ({report.errors} errors in {report.bad_rows} rows, listed in {output}); "
            "mend the file with 'callwright data lint --fix', or set 'data.bad_rows: drop'",
        )
    return kept
