"""Requests of a phraser -> whole conversations of each category."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from callwright.synth.noise import roughen
from callwright.synth.request import Asked, Lacking, Phraser, Piece, Request
from callwright.synth.turns import ResultOf, closing, feeds, mock_result, with_results
from callwright.types import JsonObject, Message, Tool, ToolCall

_SEVERAL = 0.45
_THEN = (" and then {}", ", then {}", " and {}", ", and after that {}", ". once that is there, {}")


@dataclass(frozen=True, slots=True)
class Made:
    """A row's turns with what they rest on: requests with their calls before slips, and the wordings."""

    messages: tuple[Message, ...]
    asked: tuple[Asked, ...]


@dataclass
class Composer:
    """Makes rows of any category. `pick` chooses the next tool; `result_of` gives results for turns after calls."""

    tools: Sequence[Tool]
    phraser: Phraser
    rng: random.Random
    pick: Callable[[], Tool]
    result_of: ResultOf | None = None
    _feeds: list[tuple[Tool, Tool, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._feeds = feeds(self.tools)

    def make(self, category: str) -> Made | None:
        """One row's turns; None where there are no words for it this time."""
        by_category: dict[str, Callable[[], Made | None]] = {
            "single": self._single,
            "parallel": self._parallel,
            "no_call": self._no_call,
            "missing": self._missing,
            "clarify": self._clarify,
            "nested": self._nested,
            "multi_turn": lambda: self._exchanges(2, 3),
            "chain": lambda: self._exchanges(5, 10),
        }
        return by_category[category]()

    def _single(self) -> Made | None:
        asked = self.phraser.ask(self.pick())
        return self._answered(asked) if asked else None

    def _parallel(self) -> Made | None:
        asked = self._several()
        return self._answered(asked) if asked else None

    def _several(self) -> Asked | None:
        if self.rng.random() < _SEVERAL and (several := self.phraser.ask_several()):
            return several if len(several.calls) > 1 else None
        count = 2 if self.rng.random() < 0.75 else 3
        parts = [self.phraser.ask(self.pick()) for _ in range(count)]
        pieces: list[Piece] = []
        calls: list[ToolCall] = []
        joints = self.phraser.around.joints
        for position, part in enumerate(parts):
            if part is None:
                return None
            if position:
                last = position + 1 == count
                pieces.append(Piece(self.rng.choice(joints) if last else self.rng.choice((", ", *joints))))
            pieces += part.request.pieces
            calls += part.calls
        wording = " + ".join(part.request.template for part in parts if part)
        return Asked(Request(tuple(pieces), wording), tuple(calls))

    def _no_call(self) -> Made | None:
        asked = self.phraser.idle()
        return self._answered(asked) if asked else None

    def _answered(self, asked: Asked) -> Made:
        said = Message("user", roughen(asked.request, self.rng, self.phraser.around))
        return Made((said, Message("assistant", asked.answer, asked.calls)), (asked,))

    def _missing(self) -> Made | None:
        lacking = self.phraser.lack()
        if lacking is None:
            return None
        return self._answered(Asked(lacking.request, (), lacking.question))

    def _clarify(self) -> Made | None:
        lacking: Lacking | None = self.phraser.lack()
        if lacking is None or lacking.completion is None or lacking.call is None:
            return None
        first = self._answered(Asked(lacking.request, (), lacking.question))
        reply = Message("user", lacking.completion.text)
        pieces = (*lacking.request.pieces, Piece(" "), *lacking.completion.pieces)
        whole = Asked(Request(pieces, lacking.request.template), (lacking.call,))
        return Made((*first.messages, reply, Message("assistant", "", whole.calls)), (whole,))

    def _exchanges(self, low: int, high: int) -> Made | None:
        messages: list[Message] = []
        rested: list[Asked] = []
        count = self.rng.randint(low, high)
        while len(rested) < count:
            kind = self.rng.random()
            asked = self._several() if kind < 0.15 else self.phraser.ask(self.pick())
            if kind > 0.92 and rested:
                asked = self.phraser.idle()
            if asked is None:
                return None
            messages.append(Message("user", roughen(asked.request, self.rng, self.phraser.around)))
            messages += self._run(asked.calls, len(messages)) if asked.calls else [Message("assistant", asked.answer)]
            rested.append(asked)
        return Made(tuple(messages), tuple(rested))

    def _run(self, calls: Sequence[ToolCall], number: int) -> list[Message]:
        turns = with_results(calls, self._result, number)
        return [*turns, closing([turn.text for turn in turns[1:]], self.rng)]

    def _result(self, call: ToolCall) -> str:
        return self.result_of(call) if self.result_of else mock_result(call, self.rng)

    def _nested(self) -> Made | None:
        """Something is made, and its id goes into the next call, which the user named only as "it"."""
        if not self._feeds:
            return None
        maker, taker, parameter = self.rng.choice(self._feeds)
        asked = self.phraser.ask(maker)
        if asked is None:
            return None
        verb = taker.name.replace("_", " ").split()[0].casefold()
        then = Piece(self.rng.choice(_THEN).format(f"{verb} it"))
        request = Request((*asked.request.pieces, then), f"{asked.request.template} + {verb} it")
        said = Message("user", roughen(request, self.rng, self.phraser.around))
        first = with_results(asked.calls, lambda call: mock_result(call, self.rng, made=True), 1)
        made: JsonObject = _read(first[-1].text)
        if "id" not in made:
            return None
        follow = ToolCall(taker.name, {parameter: made["id"]})
        second = with_results((follow,), self._result, 2)
        messages = (said, *first, *second, closing([second[-1].text], self.rng))
        return Made(messages, (Asked(request, asked.calls),))


def _read(text: str) -> JsonObject:
    value = json.loads(text)
    return value if isinstance(value, dict) else {}
