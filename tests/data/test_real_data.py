"""Public data sets as users have them: every row of the first 200 is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from callwright.data import READERS, conversations, read
from callwright.data.fields import Fields
from callwright.errors import DataError
from callwright.types import BadRow, Conversation

DATA = Path(os.environ.get("CALLWRIGHT_DATA") or Path(__file__).parents[3] / "shared" / "data")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no data: set CALLWRIGHT_DATA or put it in ../shared/data")

WHOLE = ("canonical", "openai", "logs")  # formats that hold whatever a conversation does
PLACES = ("raw/xlam/*", "raw/glaive_sharegpt/*", "train/*.jsonl.gz", "dev/*.jsonl.gz")
FILES = sorted(str(path.relative_to(DATA)) for place in PLACES for path in DATA.glob(place))


@pytest.mark.parametrize("name", FILES or [pytest.param("", marks=pytest.mark.skip(reason="no data files"))])
def test_every_row_is_read(name: str) -> None:
    rows = list(read(DATA / name, limit=200))
    assert [row for row in rows if isinstance(row, BadRow)] == []
    found = [row for row in rows if isinstance(row, Conversation)]
    assert len(found) == 200
    assert len({row.id for row in found}) == 200
    assert any(message.calls for row in found for message in row.messages) or "nocall" in name
    assert all(row.tools for row in found) or "glaive" in name


@pytest.mark.parametrize("name", FILES or [pytest.param("", marks=pytest.mark.skip(reason="no data files"))])
@pytest.mark.parametrize("format", READERS)
def test_every_row_survives_other_formats(name: str, format: str) -> None:
    """Ids and names that a format makes up aside, calls, texts and tools come back, or the row is refused."""
    shape = READERS[format]
    held = 0
    for row in conversations(DATA / name, limit=50):
        try:
            written = shape.to_row(row)
        except DataError as error:
            assert "cannot hold" in str(error) and format not in WHOLE, error
            continue
        again = shape.from_row(written, row.where, Fields())
        assert again.tools == row.tools
        assert [(m.role, m.text) for m in again.messages] == [(m.role, m.text) for m in row.messages]
        before, after = ([[(c.name, c.arguments) for c in m.calls] for m in r.messages] for r in (row, again))
        assert before == after
        held += 1
    if not held:
        pytest.skip(f"{format} holds none of these rows, and says so of each")
