"""Requests from many threads -> one thread that decodes them together, new ones joining while others are written."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from callwright.errors import CallwrightError, EngineError
from callwright.generate.decode import Decoder, Row
from callwright.generate.engine import StepEngine
from callwright.generate.reply import Completion, Options, Prompt
from callwright.generate.written import Written

_log = logging.getLogger(__name__)
# how many later requests may go before one that there is no room for yet
_PASSED = 32


class BusyError(CallwrightError):
    """As many requests wait as may."""


@dataclass(frozen=True, slots=True)
class News:
    """What a round brought to one request: tokens; at its end how it ended, or why it could not be answered."""

    tokens: Sequence[Written] = ()
    completion: Completion | None = None
    error: Exception | None = None

    @property
    def last(self) -> bool:
        """Whether nothing comes after it."""
        return self.completion is not None or self.error is not None


@dataclass(eq=False)
class Ticket:
    """A request. `tell` is called from the thread that decodes, and must not take long."""

    engine: str
    prompt: Prompt
    options: Options
    tell: Callable[[News], None]
    number: int = 0
    cancelled: bool = False
    row: Row | None = None
    told: int = 0
    passed: int = 0


@dataclass
class _Lane:
    """One model's rows."""

    engine: StepEngine
    decoder: Decoder
    tickets: dict[int, Ticket] = field(default_factory=dict)


class Batcher:
    """Decodes for several engines by turns, in one thread: they share the machine.

    At most `waiting` requests wait for room; one more raises BusyError.
    """

    def __init__(self, engines: Mapping[str, StepEngine], *, waiting: int = 256) -> None:
        self._lanes = {name: _Lane(engine, Decoder(engine.steps)) for name, engine in engines.items()}
        self._most = waiting
        self._waiting: deque[Ticket] = deque()
        self._change = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests that no row is written for yet."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Rows that are being written."""
        return sum(len(lane.tickets) for lane in self._lanes.values())

    def submit(self, ticket: Ticket) -> None:
        """One more request. Raises BusyError, and EngineError when closing."""
        with self._change:
            if self._closing:
                raise EngineError("the server is shutting down")
            if len(self._waiting) >= self._most:
                raise BusyError(f"{self._most} requests are waiting already; try again later")
            self._waiting.append(ticket)
            self._change.notify()

    def cancel(self, ticket: Ticket) -> None:
        """Nobody waits for it any more; nothing more is told."""
        with self._change:
            ticket.cancelled = True
            self._change.notify()

    def close(self, patience: float = 30.0) -> bool:
        """Takes nothing new and ends when all are answered, or after `patience` seconds. Whether all were."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join(patience)
        if not self._thread.is_alive():
            return True
        with self._change:
            for ticket in [*self._waiting, *(one for lane in self._lanes.values() for one in lane.tickets.values())]:
                ticket.cancelled = True
        self._thread.join(patience)
        return False

    def _run(self) -> None:
        while True:
            with self._change:
                while not (self._waiting or self.running or self._closing):
                    self._change.wait()
                if self._closing and not (self._waiting or self.running):
                    return
            self._admit()
            for lane in self._lanes.values():
                if lane.tickets:
                    self._round(lane)

    def _admit(self) -> None:
        """Those that there is room for, in the order in which they came.

        One that there is no room for yet is passed by smaller ones, but not for ever.
        """
        held: set[str] = set()
        refused: list[Ticket] = []
        for _ in range(len(self._waiting)):
            with self._change:
                ticket = self._waiting.popleft()
            if ticket.cancelled:
                continue
            if ticket.engine in held or not self._fits(ticket):
                if ticket.passed >= _PASSED:
                    held.add(ticket.engine)
                refused.append(ticket)
                continue
            for other in refused:
                other.passed += other.engine == ticket.engine
            self._begin(ticket)
        with self._change:
            self._waiting.extendleft(reversed(refused))

    def _fits(self, ticket: Ticket) -> bool:
        prompt = ticket.prompt
        decoder = self._lanes[ticket.engine].decoder
        return decoder.takes(prompt.token_ids, prompt.prefix_len, ticket.options.max_new_tokens)

    def _begin(self, ticket: Ticket) -> None:
        lane = self._lanes[ticket.engine]
        try:
            row = lane.engine.row(ticket.prompt, ticket.options, ticket.number, ticket.prompt.prefix_len)
            lane.decoder.add(row)
        except Exception as error:
            self._tell(ticket, News(error=error))
            return
        ticket.row = row
        lane.tickets[id(row)] = ticket

    def _round(self, lane: _Lane) -> None:
        for ticket in [one for one in lane.tickets.values() if one.cancelled]:
            self._drop(lane, ticket)
        try:
            ended = {id(row) for row in lane.decoder.round()}
        except Exception as error:
            # no row can go on from a pass that failed
            _log.exception("a pass failed")
            for ticket in list(lane.tickets.values()):
                self._drop(lane, ticket)
                self._tell(ticket, News(error=error))
            return
        for key, ticket in list(lane.tickets.items()):
            row = ticket.row
            assert row is not None
            fresh = row.written[ticket.told :]
            ticket.told = len(row.written)
            if key in ended:
                del lane.tickets[key]
                self._tell(ticket, News(fresh, lane.engine.completion(row)))
            elif fresh:
                self._tell(ticket, News(fresh))

    def _drop(self, lane: _Lane, ticket: Ticket) -> None:
        assert ticket.row is not None
        del lane.tickets[id(ticket.row)]
        lane.decoder.drop(ticket.row)

    def _tell(self, ticket: Ticket, news: News) -> None:
        if not ticket.cancelled:
            ticket.tell(news)
