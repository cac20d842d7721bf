"""Rows + a dialect -> a LintReport: the checks of the data and of its rendering together."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from callwright.data import canonical
from callwright.data.fit import shorten
from callwright.data.lint import KINDS, Linter, LintReport, Problem, bad_row, fix
from callwright.dialects.base import Dialect
from callwright.dialects.check import check_length, check_render, check_text, check_tokens
from callwright.dialects.tokenise import pieces_of, render, tokenise
from callwright.errors import DataError
from callwright.pipeline.folder import write_json
from callwright.types import BadRow, Conversation, Rendered, Segment

# The tokens of one row in so many are decoded and compared; the segments of every row are.
_DECODE_EVERY = 50


@contextmanager
def _few_collections() -> Iterator[None]:
    """Rows are trees without cycles, and looking for cycles among so many took a sixth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(frozen=True)
class _Checked:
    """A chunk of rows with what was found in them and their text; no segments where there is none."""

    rows: list[Conversation | BadRow]
    problems: list[list[Problem]]
    segments: list[list[Segment]]


@dataclass
class Checker:
    """Everything that is checked of a row, and the tokens that the checks leave for training."""

    dialect: Dialect
    tokenizer: Any
    max_length: int | None = None
    report: LintReport = field(default_factory=LintReport)
    _linter: Linter = field(default_factory=Linter)

    def check(
        self, rows: Iterable[Conversation | BadRow], batch: int = 512
    ) -> Iterator[tuple[Conversation | BadRow, list[Problem], Rendered | None]]:
        """Rows, in order, with what was found in them and their rendering (None where there is none)."""
        source = iter(rows)
        with ThreadPoolExecutor(1) as thread, _few_collections():
            waiting: tuple[_Checked, Future[list[Rendered]]] | None = None
            # the tokenizer works without the interpreter's lock, so the next rows are checked meanwhile
            while chunk := list(islice(source, batch)):
                checked = self._check(chunk)
                tokens = thread.submit(self._tokenise, checked)
                if waiting:
                    yield from self._finish(*waiting)
                waiting = checked, tokens
            if waiting:
                yield from self._finish(*waiting)

    def length(self, row: Conversation) -> int:
        """Tokens of a row, rendered."""
        return len(render(row, self.dialect, self.tokenizer).token_ids)

    def _check(self, chunk: list[Conversation | BadRow]) -> _Checked:
        problems: list[list[Problem]] = []
        segments: list[list[Segment]] = []
        for row in chunk:
            found: list[Problem] = []
            written: list[Segment] = []
            if isinstance(row, BadRow):
                found.append(bad_row(row))
            else:
                found += self._linter.check(row)
                try:
                    written = list(self.dialect.segments(row))
                    found += check_text(row, written)
                    found += check_render(row, self.dialect, written)
                except DataError as error:
                    found.append(Problem("lost in rendering", row.where, row.id, error.what))
            problems.append(found)
            segments.append([] if any(problem.kind == "broken text" for problem in found) else written)
        return _Checked(chunk, problems, segments)

    def _tokenise(self, checked: _Checked) -> list[Rendered]:
        """The rows that could be written, in order."""
        written = [(row, s) for row, s in zip(checked.rows, checked.segments, strict=True) if s]
        ids = [row.id if isinstance(row, Conversation) else "" for row, _ in written]
        return list(tokenise([pieces_of(segments) for _, segments in written], ids, self.tokenizer))

    def _finish(
        self, checked: _Checked, tokens: Future[list[Rendered]]
    ) -> Iterator[tuple[Conversation | BadRow, list[Problem], Rendered | None]]:
        rendered = iter(tokens.result())
        for row, problems, segments in zip(checked.rows, checked.problems, checked.segments, strict=True):
            made = next(rendered) if segments else None
            if made is not None and isinstance(row, Conversation):
                problems += check_length(row, made, self.max_length) if self.max_length else []
                if self.report.rows % _DECODE_EVERY == 0:
                    problems += check_tokens(row, segments, made, self.tokenizer.decode)
            self.report.add(problems)
            yield row, problems, made


def fix_rows(rows: Iterable[Conversation | BadRow], checker: Checker, output: str) -> tuple[int, int]:
    """Mends what is safe, checks what is left, and writes the rows without errors: (written, left out).

    Afterwards the checker's report is of the mended rows.
    """
    mended = (fix(row) if isinstance(row, Conversation) else row for row in rows)
    written = left_out = 0
    with canonical.writer(output) as add:
        for row, problems, _ in checker.check(mended):
            if isinstance(row, BadRow) or any(KINDS[problem.kind].severity == "error" for problem in problems):
                left_out += 1
            else:
                add(row)
                written += 1
    return written, left_out


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
