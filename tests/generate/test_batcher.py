"""Requests from several threads: all answered as alone, in their turn, and told why where they are not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from callwright.errors import EngineError
from callwright.generate.batcher import Batcher, BusyError, News, Ticket
from callwright.generate.engine import StepEngine
from callwright.generate.reply import Options, Prompt
from generate.test_decode import Numbers as Steps
from generate.test_local import Numbers as Tokens

PATIENCE = 20


class Asker:
    """One request, and what was told of it."""

    def __init__(self, prompt: Sequence[int], most: int = 6) -> None:
        self.news: list[News] = []
        self.ended = threading.Event()
        self.ticket = Ticket("model", Prompt("", prompt, 0), Options(max_new_tokens=most), self._tell)

    def _tell(self, news: News) -> None:
        self.news.append(news)
        if news.last:
            self.ended.set()

    def tokens(self) -> list[int]:
        assert self.ended.wait(PATIENCE)
        assert self.news[-1].error is None
        return [one.token for news in self.news for one in news.tokens]


@pytest.fixture
def batcher() -> Iterator[Callable[..., Batcher]]:
    made: list[Batcher] = []

    def make(steps: Steps, waiting: int = 256) -> Batcher:
        made.append(Batcher({"model": StepEngine(steps, Tokens(eos_token_id=1), (), 0)}, waiting=waiting))
        return made[-1]

    yield make
    for each in made:
        each.close(PATIENCE)


def alone(prompt: Sequence[int], most: int = 6) -> list[int]:
    (done,) = StepEngine(Steps(), Tokens(eos_token_id=1), (), 0).complete(
        [Prompt("", prompt, 0)], Options(max_new_tokens=most)
    )
    return list(done.token_ids)


def test_many_threads_are_answered_as_each_alone(batcher: Callable[..., Batcher]) -> None:
    ours = batcher(Steps())
    askers = [Asker([2 + number % 9, 3], most=3 + number % 5) for number in range(40)]
    threads = [threading.Thread(target=ours.submit, args=[asker.ticket]) for asker in askers]
    for thread in threads:
        thread.start()
    for number, asker in enumerate(askers):
        assert asker.tokens() == alone([2 + number % 9, 3], most=3 + number % 5)
    assert (ours.waiting, ours.running) == (0, 0)


class Slow(Steps):
    """Waits at every pass until it is let on."""

    def forward(self, feeds: Sequence) -> list:  # type: ignore[type-arg]
        self.gate.acquire(timeout=PATIENCE)  # type: ignore[attr-defined]
        return super().forward(feeds)


def slow(slots: int) -> Slow:
    steps = Slow(slots=slots)
    steps.gate = threading.Semaphore(0)  # type: ignore[attr-defined]
    return steps


def test_a_full_queue_is_said_and_one_that_left_makes_room(batcher: Callable[..., Batcher]) -> None:
    steps = slow(1)
    ours = batcher(steps, waiting=1)
    first, second, third = Asker([2]), Asker([3]), Asker([4])
    ours.submit(first.ticket)
    while not ours.running:
        pass
    ours.submit(second.ticket)
    with pytest.raises(BusyError, match="1 requests are waiting"):
        ours.submit(third.ticket)
    ours.cancel(first.ticket)
    for _ in range(40):
        steps.gate.release()  # type: ignore[attr-defined]
    assert second.tokens() == alone([3])
    assert not first.ended.is_set()


def test_a_pass_that_fails_is_told_to_all_and_the_next_are_answered(batcher: Callable[..., Batcher]) -> None:
    class Failing(Steps):
        def forward(self, feeds: Sequence) -> list:  # type: ignore[type-arg]
            if self.seed == 0:
                self.seed = 1
                raise MemoryError("no room")
            return super().forward(feeds)

    ours = batcher(Failing())
    one = Asker([2])
    ours.submit(one.ticket)
    assert one.ended.wait(PATIENCE)
    assert isinstance(one.news[-1].error, MemoryError)
    two = Asker([3])
    ours.submit(two.ticket)
    assert len(two.tokens()) <= 6


def test_closing_answers_what_came_before_and_nothing_after(batcher: Callable[..., Batcher]) -> None:
    ours = batcher(Steps())
    askers = [Asker([2, 3]) for _ in range(9)]
    for asker in askers:
        ours.submit(asker.ticket)
    assert ours.close(PATIENCE)
    for asker in askers:
        assert asker.tokens() == alone([2, 3])
    with pytest.raises(EngineError, match="shutting down"):
        ours.submit(Asker([2]).ticket)


def test_a_large_request_is_passed_by_small_ones_but_not_for_ever(batcher: Callable[..., Batcher]) -> None:
    class Cells(Steps):
        """Room for 40 tokens of all rows."""

        def takes(self, tokens: Sequence[int], prefix_len: int, more: int) -> bool:
            used = 10 * len(self.held)
            return super().takes(tokens, prefix_len, more) and (not self.held or used + len(tokens) + more <= 40)

    steps = Cells(most=64)
    ours = batcher(steps)
    order: list[str] = []

    def asker(name: str, prompt: Sequence[int]) -> Asker:
        made = Asker(prompt, 5)
        tell = made.ticket.tell
        made.ticket.tell = lambda news: (order.append(name) if news.last else None, tell(news))[1]
        return made

    small = [asker(f"small {number}", [2, 3]) for number in range(200)]
    large = asker("large", [2] * 30)
    for each in [*small[:5], large, *small[5:]]:
        ours.submit(each.ticket)
    for each in [large, *small]:
        each.tokens()
    assert 5 <= order.index("large") < 80
