"""What is kept for later rows, and when a row may begin, whatever computes the steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.generate.sharing import SharingSteps, State
from callwright.generate.steps import Feed

BLOCK = 4
PREFIX = list(range(100, 160))


class Copies(SharingSteps[int]):
    """Stores tokens instead of numbers computed from them: a row must hold just those that it was given."""

    def __init__(self, *, room: int = 4, capacity: int = 64, kept: int = 8) -> None:
        super().__init__(room=room, capacity=capacity, block=BLOCK, kept=kept, files=None)
        self.own: dict[int, list[int]] = {}
        self.places: dict[int, list[int]] = {}

    def _join(self, sequence: int, place: int, length: int) -> None:
        self.own[sequence] = self.places[place][:length]
        assert len(self.own[sequence]) == length

    def _stored(self, sequence: int, length: int) -> int:
        place = next(number for number in range(99) if number not in self.places)
        self.places[place] = self.own[sequence][:length]
        return place

    def _let_go(self, place: int) -> None:
        del self.places[place]

    def _end(self, sequence: int) -> None:
        del self.own[sequence]

    def _state(self, place: int) -> State:
        return {"tokens": np.array(self.places[place]).view(np.uint8)}

    def _placed(self, state: State, length: int) -> int | None:
        raise AssertionError("no files")

    def feed(self, sequence: int, tokens: Sequence[int]) -> None:
        self.own.setdefault(sequence, []).extend(tokens)
        self._held([Feed(sequence, tokens)])


def test_rows_wait_for_a_prefix_that_another_computes_and_for_blocks() -> None:
    steps = Copies()
    first, _ = steps.open([*PREFIX, 1], len(PREFIX), 10)
    assert not steps.takes([*PREFIX, 2], len(PREFIX), 10)
    assert steps.takes([3, 4], 1, 10)
    steps.feed(first, [*PREFIX, 1])
    assert steps.takes([*PREFIX, 2], len(PREFIX), 10)
    assert not steps.takes([*PREFIX, 2], len(PREFIX), 200)
    steps.close(first)
    assert steps.takes([*PREFIX, 2], len(PREFIX), 1000), "an engine without rows takes any, and says so where it fails"


@pytest.mark.parametrize("kept", [0, 1, 3])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(1, 6)), max_size=30))
def test_every_row_holds_what_it_was_given(kept: int, rows: list[tuple[int, int, int]]) -> None:
    """Rows of a few beginnings, some open at once, cut, and gone on with after others were let go."""
    steps = Copies(room=2, kept=kept)
    opened: list[int] = []
    for which, shared, more in rows:
        tokens = [which] * (shared + 1) + list(range(more))
        if len(opened) == 2:
            steps.close(opened.pop(0))
        if not steps.takes(tokens, shared, 4):
            continue
        row, held = steps.open(tokens, shared, 4)
        assert 0 <= held < len(tokens)
        steps.feed(row, tokens[held:])
        assert steps.own[row] == tokens
        steps.feed(row, [7, 8])
        del steps.own[row][len(tokens) + 1 :]
        steps.cut(row, len(tokens) + 1)
        opened.append(row)
        assert len(steps.places) == len(steps._kept) <= kept
    for row in opened:
        steps.close(row)
    assert not steps.own
    assert sorted(steps._free) == [0, 1]
