"""Every real data file, read and written in other formats and back: rows in, rows out, rows refused with reasons.

    python benchmarks/formats.py [--rows N] [FORMAT ...]

A row counts as equal where its messages, calls and tools come back as they were; ids and names of results that a format
makes up are not compared.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from callwright.data import READERS, read
from callwright.data.fields import Fields
from callwright.data.lint import KINDS, lint
from callwright.errors import DataError
from callwright.types import BadRow, Conversation

DATA = Path(os.environ.get("CALLWRIGHT_DATA") or Path(__file__).parents[2] / "shared" / "data")
PLACES = ("raw/*/*.json", "raw/*/*.json.gz", "raw/*/dev.jsonl", "train/*.jsonl.gz")


def content(row: Conversation) -> Any:
    """What must come back."""
    return row.tools, [(m.role, m.text, m.train, [(c.name, c.arguments) for c in m.calls]) for m in row.messages]


def there_and_back(row: Conversation, format: str) -> str:
    """'equal', 'other', or why the format refused the row."""
    shape = READERS[format]
    try:
        written = json.dumps(shape.to_row(row), ensure_ascii=False)
    except DataError as error:
        return _reason(error.what)
    again = shape.from_row(json.loads(written), row.where, Fields())
    return "equal" if content(again) == content(row) else "other"


def _reason(what: str) -> str:
    """A reason without the row's own details, so that equal reasons are counted together."""
    what = re.sub(r"the turns .*?:", "these turns:", what)
    return re.sub(r"'[^']*'", "'...'", what.partition(" cannot hold ")[2] or what)[:70]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", default=["canonical", "openai", "trl", "xlam"])
    parser.add_argument("--rows", type=int, default=None, help="only the first N rows of each file")
    options = parser.parse_args()
    for path in sorted(path for place in PLACES for path in DATA.glob(place)):
        rows: list[Conversation] = []
        bad: list[BadRow] = []
        for row in read(path, limit=options.rows):
            rows.append(row) if isinstance(row, Conversation) else bad.append(row)
        problems = Counter(
            problem.kind for row in rows for problem in lint(row) if KINDS[problem.kind].severity == "error"
        )
        found = ", ".join(f"{count} {kind}" for kind, count in problems.most_common()) or "no errors"
        print(f"{path.relative_to(DATA)}: {len(rows)} rows read, {len(bad)} unreadable; lint: {found}")
        for format in options.formats:
            outcomes = Counter(there_and_back(row, format) for row in rows)
            equal, other = outcomes.pop("equal", 0), outcomes.pop("other", 0)
            refused = "; ".join(f"{count} {why}" for why, count in outcomes.most_common())
            print(
                f"  {format:10} {equal:6} equal {other:4} other {sum(outcomes.values()):6} refused"
                + (f": {refused}" if refused else "")
            )


if __name__ == "__main__":
    main()
