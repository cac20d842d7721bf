"""Guesses and forced tokens change how many passes a reply takes, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from callwright.generate.decode import Decoder, Row
from callwright.generate.draft import Draft, Replies, Seen
from callwright.generate.reply import Options
from callwright.generate.steps import Feed
from callwright.generate.written import Origin
from callwright.types import Ending

SIZE = 12
STOP = 1


@dataclass
class Numbers:
    """A step engine whose next token depends on the last two of a sequence; it checks what it is asked."""

    seed: int = 0
    slots: int = 4
    most: int = 16
    held: dict[int, list[int]] = field(default_factory=dict)
    given: list[list[int]] = field(default_factory=list)

    @property
    def vocabulary(self) -> int:
        return SIZE

    @property
    def overhead(self) -> float:
        return 2.0

    @property
    def room(self) -> int:
        return self.slots

    def takes(self, tokens: Sequence[int], prefix_len: int, more: int) -> bool:
        return len(self.held) < self.slots

    def open(self, tokens: Sequence[int], prefix_len: int, more: int) -> tuple[int, int]:
        row = next(number for number in range(self.slots) if number not in self.held)
        self.held[row] = list(tokens[: min(prefix_len, len(tokens) - 1)])
        return row, len(self.held[row])

    def forward(self, feeds: Sequence[Feed]) -> list[NDArray[np.float32]]:
        assert sum(len(feed.tokens) for feed in feeds) <= self.most
        self.given.append([len(feed.tokens) for feed in feeds])
        out = []
        for feed in feeds:
            assert feed.tokens
            rows = []
            for token in feed.tokens:
                self.held[feed.sequence].append(token)
                rows.append(self._logits(self.held[feed.sequence][-2:]))
            out.append(np.stack(rows)[len(rows) - feed.wanted :])
        return out

    def _logits(self, last: Sequence[int]) -> NDArray[np.float32]:
        rng = np.random.default_rng([self.seed, *last])
        return rng.normal(size=SIZE).astype(np.float32)

    def cut(self, sequence: int, length: int) -> None:
        assert length < len(self.held[sequence])
        del self.held[sequence][length:]

    def close(self, sequence: int) -> None:
        del self.held[sequence]


def plain(steps: Numbers, prompt: Sequence[int], most: int, stop: int = STOP) -> list[int]:
    """One token at a time."""
    tokens = list(prompt)
    while len(tokens) < len(prompt) + most:
        tokens.append(int(steps._logits(tokens[-2:]).argmax()))
        if tokens[-1] == stop:
            break
    return tokens[len(prompt) :]


def written(decoder: Decoder, rows: Sequence[Row]) -> list[list[int]]:
    waiting = list(rows)
    while waiting or decoder.rows:
        while waiting and decoder.takes(waiting[0].prompt, waiting[0].prefix_len, 0):
            decoder.add(waiting.pop(0))
        decoder.round()
    return [row.tokens for row in rows]


@settings(deadline=None)
@given(st.integers(0, 10**6), st.lists(st.lists(st.integers(2, SIZE - 1), min_size=1, max_size=40), max_size=9))
def test_guessed_replies_are_those_of_one_token_at_a_time(seed: int, prompts: list[list[int]]) -> None:
    steps, replies = Numbers(seed), Replies()
    options = Options(max_new_tokens=30)
    rows = [
        Row(prompt, len(prompt) // 2, options, frozenset({STOP}), draft=Draft(prompt, replies), most_drafted=5)
        for prompt in prompts
    ]
    assert written(Decoder(steps), rows) == [plain(steps, prompt, 30) for prompt in prompts]
    assert not steps.held
    for row in rows:
        assert row.ending is (Ending.STOP if row.tokens[-1] == STOP else Ending.LENGTH)
        assert row.passes <= len(row.written)


def test_what_was_written_before_takes_fewer_passes() -> None:
    steps, replies = Numbers(3), Replies()
    counts = []
    for _ in range(2):
        row = Row([5, 6], 0, Options(max_new_tokens=24), frozenset({STOP}), draft=Draft([5, 6], replies))
        assert written(Decoder(steps), [row]) == [plain(steps, [5, 6], 24)]
        row.draft.ended(row.tokens)  # type: ignore[union-attr]
        counts.append((row.passes, sum(one.origin is Origin.DRAFTED for one in row.written)))
    assert counts[1][0] < counts[0][0]
    assert counts[1][1] > counts[0][1]


def test_sampled_replies_do_not_depend_on_guesses_or_neighbours() -> None:
    def run(drafted: int, others: int) -> list[int]:
        replies = Replies()
        replies.add([-1, 4, 5, 6, 7, 8])
        options = Options(max_new_tokens=20, temperature=0.8, top_p=0.9)
        rows = [
            Row([2, number + 3], 0, options, frozenset({STOP}), None, Draft([4, 5], replies), drafted, seed=number)
            for number in range(1 + others)
        ]
        return written(Decoder(Numbers(7)), rows)[0]

    assert run(0, 0) == run(6, 0) == run(6, 3)


def test_a_long_prompt_goes_in_parts_and_others_go_on() -> None:
    steps = Numbers(1, most=6)
    decoder = Decoder(steps)
    short = Row([2, 3], 0, Options(max_new_tokens=9), frozenset())
    decoder.add(short)
    decoder.round()
    long = Row(list(range(2, 12)) * 3, 0, Options(max_new_tokens=2), frozenset())
    decoder.add(long)
    while decoder.rows:
        decoder.round()
    assert long.tokens == plain(Numbers(1), long.prompt, 2, stop=-1)
    assert short.tokens == plain(Numbers(1), short.prompt, 9, stop=-1)
    assert [1, 5] in steps.given


def test_a_row_that_nobody_waits_for_makes_room() -> None:
    steps = Numbers(slots=1)
    decoder = Decoder(steps)
    row = Row([2, 3], 0, Options(max_new_tokens=9), frozenset())
    decoder.add(row)
    decoder.round()
    assert not decoder.takes([2, 3], 0, 9)
    decoder.drop(row)
    assert decoder.takes([2, 3], 0, 9)
    assert not steps.held


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(0, 3))
def test_a_guess_stood_behind_the_same_token_last(tokens: list[int], last: int) -> None:
    seen = Seen()
    seen.add(tokens)
    chance, guess = seen.next([last])
    places = [at for at in range(1, len(tokens)) if tokens[at - 1] == last]
    assert (chance > 0) == bool(places)
    assert chance <= 1
    if places:
        assert guess == tokens[places[-1]]


def test_what_came_every_time_is_likelier_than_what_came_once() -> None:
    often, changing = Replies(), Replies()
    for number in range(6):
        often.add([5, 6, 7])
        changing.add([5, 6, 10 + number])
    assert often.next([5, 6]) > (0.8, 7)
    assert changing.next([5, 6]) < (0.3, 0)
    assert often.next([8, 6])[0] == 0


def test_words_are_found_without_the_space_before_them() -> None:
    draft = Draft([103, 104, 105], stem=lambda token: token - 100 if token >= 100 else token)
    assert draft.next([9, 3])[1] == 104
    assert draft.next([9])[0] == 0


def test_replies_are_forgotten_by_halves() -> None:
    replies, rng = Replies(most=100), random.Random(0)
    for _ in range(30):
        replies.add([rng.randrange(50) for _ in range(20)])
    replies.add([90, 91, 92])
    assert replies.next([90, 91])[1] == 92


def test_greedy_is_taken_from_what_the_grammar_allows() -> None:
    pytest.importorskip("llguidance")
    steps = Numbers(5)

    @dataclass
    class Even:
        """Even tokens alone; 4 must be followed by 6 and 8."""

        taken: list[int] = field(default_factory=list)
        ended: bool = False

        def forced(self) -> list[int]:
            return [6, 8] if self.taken[-1:] == [4] else [8] if self.taken[-2:] == [4, 6] else []

        def fits(self, tokens: Sequence[int]) -> int:
            return next((at for at, token in enumerate(tokens) if token % 2), len(tokens))

        def allowed(self) -> NDArray[np.bool_]:
            return np.arange(SIZE) % 2 == 0

        def take(self, tokens: Sequence[int]) -> None:
            self.taken.extend(tokens)

        def give_back(self, count: int) -> None:
            if count:
                del self.taken[-count:]

    def run(drafted: int) -> Row:
        row = Row([4, 2], 0, Options(max_new_tokens=40), frozenset(), Even(), Draft([4, 6, 8, 2, 4]), drafted)  # type: ignore[arg-type]
        written(Decoder(steps), [row])
        return row

    free, drafted = run(0), run(6)
    assert free.tokens == drafted.tokens
    assert not [token for token in free.tokens if token % 2]
    assert any(one.origin is Origin.FORCED for one in free.written)
    assert free.passes < len(free.tokens)
