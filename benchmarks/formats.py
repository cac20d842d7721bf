"""Every real data file, read and written in other formats and back: rows in, rows equal, rows refused with reasons.

    python benchmarks/formats.py [--rows N] [--markdown] [--output FILE] [FORMAT ...]

A row counts as equal where its messages, calls, marks and tools come back as they were. Fields that a format has no
place for, such as ids of calls, are counted apart.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from callwright.data import read
from callwright.data.convert import lost_fields, reason_of
from callwright.data.fields import Fields
from callwright.data.lint import KINDS, lint
from callwright.errors import DataError
from callwright.types import BadRow, Conversation
from common import data_folder

PLACES = ("raw/*/*.json", "raw/*/*.json.gz", "raw/*/dev.jsonl", "train/*.jsonl.gz")


def of_format(rows: list[Conversation], format: str) -> dict[str, Any]:
    """How many rows a format gives back as they were, and what becomes of the others."""
    fields = Fields()
    refused, lost = Counter[str](), Counter[str]()
    for row in rows:
        try:
            lost.update(lost_fields(row, format, fields))
        except DataError as error:
            refused[reason_of(error.what).removeprefix(f"{format} cannot hold ")] += 1
    equal = len(rows) - refused.total()
    return {"equal": equal, "refused": dict(refused.most_common()), "lost fields": dict(lost.most_common())}


def of_file(path: Path, name: str, formats: list[str], limit: int | None) -> dict[str, Any]:
    """One file: rows, what lint finds, and every format."""
    rows: list[Conversation] = []
    bad: list[BadRow] = []
    for row in read(path, limit=limit):
        rows.append(row) if isinstance(row, Conversation) else bad.append(row)
    problems = Counter(problem.kind for row in rows for problem in lint(row) if KINDS[problem.kind].severity == "error")
    made = {format: of_format(rows, format) for format in formats}
    return {"file": name, "rows": len(rows), "unreadable": len(bad), "lint": dict(problems.most_common())} | made


def as_text(made: dict[str, Any], formats: list[str]) -> str:
    """A paragraph of one file."""
    found = _counts(made["lint"]) or "no errors"
    lines = [f"{made['file']}: {made['rows']} rows read, {made['unreadable']} unreadable; lint: {found}"]
    for format in formats:
        one = made[format]
        refused = f": {_counts(one['refused'])}" if one["refused"] else ""
        lines.append(f"  {format:10} {one['equal']:6} equal {sum(one['refused'].values()):6} refused{refused}")
        if one["lost fields"]:
            lines.append(f"  {'':10} lost: {_counts(one['lost fields'])}")
    return "\n".join(lines)


def as_markdown(files: list[dict[str, Any]], formats: list[str]) -> str:
    """A table: a line a file, equal rows a format, and why the others are refused."""
    lines = [f"| file | rows | {' | '.join(formats)} | refused |", f"|{'---|' * (len(formats) + 3)}"]
    for made in files:
        equal = " | ".join(f"{made[format]['equal']:,}" for format in formats)
        why = [f"{format}: {_counts(made[format]['refused'])}" for format in formats if made[format]["refused"]]
        lines.append(f"| {made['file']} | {made['rows']:,} | {equal} | {'; '.join(why) or '–'} |")
    return "\n".join(lines)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", default=["canonical", "openai", "trl", "xlam"])
    parser.add_argument("--rows", type=int, default=None, help="only the first N rows of each file")
    parser.add_argument("--markdown", action="store_true", help="print a table instead")
    parser.add_argument("--output", type=Path, default=None, help="also write JSON to this file")
    options = parser.parse_args()
    folder, files = data_folder(), []
    for path in sorted(path for place in PLACES for path in folder.glob(place)):
        files.append(of_file(path, str(path.relative_to(folder)), options.formats, options.rows))
        if not options.markdown:
            print(as_text(files[-1], options.formats), flush=True)
    if options.markdown:
        print(as_markdown(files, options.formats))
    if options.output:
        options.output.write_text(json.dumps(files, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
