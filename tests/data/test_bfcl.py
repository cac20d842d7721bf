"""The leaderboard's own files: every category is read, and its answers fit the functions it offers."""

from __future__ import annotations

import pytest

from callwright.data import read
from callwright.data.sources import bfcl_installed
from callwright.errors import DataError
from callwright.schema import validate
from callwright.types import BadRow, Conversation

pytestmark = pytest.mark.skipif(not bfcl_installed(), reason="run: pip install --no-deps bfcl-eval==2026.3.23")

# rows of each, and calls that the reader makes of the first possible answers
CATEGORIES = {"simple_python": 400, "multiple": 200, "parallel": 200, "parallel_multiple": 200, "live_simple": 258}


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_row_is_read_with_its_answer(category: str) -> None:
    rows = list(read(f"bfcl:{category}"))
    assert [row for row in rows if isinstance(row, BadRow)] == []
    found = [row for row in rows if isinstance(row, Conversation)]
    assert len(found) == CATEGORIES[category]
    unfit = 0
    for row in found:
        tools = {tool.name: tool for tool in row.tools}
        calls = [call for message in row.messages for call in message.calls]
        assert calls and all(call.name in tools for call in calls), row.id
        unfit += any(validate(call.arguments, tools[call.name].parameters) for call in calls)
    assert unfit <= 0.03 * len(found), "the leaderboard's own answers have some values of another type"


@pytest.mark.parametrize("category", ["irrelevance", "live_irrelevance"])
def test_rows_without_an_answer_are_questions_alone(category: str) -> None:
    rows = [row for row in read(f"bfcl:{category}") if isinstance(row, Conversation)]
    assert rows and not any(message.calls for row in rows for message in row.messages)


def test_multi_turn_rows_are_refused_by_name() -> None:
    row = next(iter(read("bfcl:multi_turn_base", limit=1)))
    assert isinstance(row, BadRow) and "multi-turn row of BFCL" in row.why
    with pytest.raises(DataError, match="did you mean 'simple_python'"):
        list(read("bfcl:simple_pyton"))
