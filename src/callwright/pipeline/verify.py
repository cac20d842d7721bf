"""A run and what was exported of it -> whether each artefact is asked, answers and scores as the run did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from callwright.dialects.base import Dialect
from callwright.export.artefact import Artefact, Written, open_artefact
from callwright.generate.local import LocalEngine
from callwright.generate.reply import Answer, Options, Prompt, make_prompt, reply
from callwright.models.hardware import detect
from callwright.models.load import load_model
from callwright.pipeline.evaluate import asked_of, open_words
from callwright.pipeline.trained import Trained, with_adapter
from callwright.score.run import EXACT, score_row
from callwright.score.stats import Interval, mcnemar, paired_difference, wilson
from callwright.types import Conversation, JsonObject

_SURE = 0.05


@dataclass(frozen=True)
class Parity:
    """An artefact beside its run, on the same `rows` rows.

    bytes, tokens: of how many rows the prompt is that of training; None where the artefact does not tell. same: equal
    replies. right: exact rows, and `before` those of the run. lost, won: rows that only one of them has right.
    first: the first difference of a prompt, in words.
    """

    name: str
    rows: int
    bytes: int | None
    tokens: int | None
    same: int
    right: int
    before: int
    lost: int
    won: int
    first: str = ""

    @property
    def p_value(self) -> float:
        """McNemar's, exact and two-sided."""
        return mcnemar(self.lost, self.won)

    @property
    def difference(self) -> Interval:
        """Of the shares that are right, the artefact's less the run's."""
        both = self.right - self.won
        return paired_difference(both, self.lost, self.won, self.rows - both - self.lost - self.won)

    @property
    def failed(self) -> bool:
        """Whether it is asked otherwise than in training, or is worse than chance explains."""
        other = any(count is not None and count < self.rows for count in (self.bytes, self.tokens))
        return other or (self.lost > self.won and self.p_value < _SURE)

    @property
    def verdict(self) -> str:
        """In a few words."""
        if any(count is not None and count < self.rows for count in (self.bytes, self.tokens)):
            return "prompts differ"
        if self.failed:
            return "scores lower"
        if self.same == self.rows:
            return "the same"
        return "the same score" if self.right == self.before else "as good, within the interval"

    def to_json(self) -> JsonObject:
        """Plain data."""
        inside, change = wilson(self.right, self.rows), self.difference
        return {
            "artefact": self.name,
            "rows": self.rows,
            "bytes_equal": self.bytes,
            "tokens_equal": self.tokens,
            "same_replies": self.same,
            "exact": self.right,
            "exact_of_run": self.before,
            "interval": [inside.low, inside.high],
            "difference": [change.low, change.high],
            "p_value": self.p_value,
            "verdict": self.verdict,
            "failed": self.failed,
            "first_difference": self.first,
        }


@dataclass(frozen=True)
class _Reference:
    """How the run is asked, and what it answers."""

    prompts: list[Prompt]
    replies: list[Answer]
    right: list[bool]


def verify(
    trained: Trained,
    places: Sequence[str],
    rows: Sequence[Conversation],
    *,
    longest: int = 128,
    name: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> list[Parity]:
    """Asks the run and every artefact for the last turn of each row, greedily.

    name: of the model at an address. `say` hears what is under way. Raises ModelError, EngineError, DataError.
    """
    tokenizer, dialect = open_words(trained.model, trained.adapter, "auto")
    asked, options = asked_of(rows), Options(max_new_tokens=longest)
    say(f"the run: {len(rows)} rows")
    reference = _reference(trained, tokenizer, dialect, rows, options)
    shared = min((prompt.prefix_len for prompt in reference.prompts), default=0)
    found = []
    for place in places:
        say(place)
        artefact = open_artefact(place, dialect, name=name, prefix_len=shared)
        found.append(_compared(place, artefact, rows, asked, reference, options))
    return found


def _reference(
    trained: Trained, tokenizer: Any, dialect: Dialect, rows: Sequence[Conversation], options: Options
) -> _Reference:
    asked = asked_of(rows)
    model = load_model(trained.model, detect())
    if trained.adapter is not None:
        model = with_adapter(model, trained.adapter)
    replies = list(reply(asked, dialect, tokenizer, LocalEngine(model, tokenizer, dialect.stops), options))
    prompts = [make_prompt(one, dialect, tokenizer) for one in asked]
    return _Reference(prompts, replies, [_right(row, answer) for row, answer in zip(rows, replies, strict=True)])


def _right(row: Conversation, answer: Answer) -> bool:
    return score_row(row, answer.reply, answer.raw).verdict(EXACT).value == 1


def _compared(
    place: str,
    artefact: Artefact,
    rows: Sequence[Conversation],
    asked: Sequence[Conversation],
    reference: _Reference,
    options: Options,
) -> Parity:
    prompts = [artefact.written(one) for one in asked]
    answers = list(artefact.answers(asked, prompts, options))
    right = [_right(row, answer) for row, answer in zip(rows, answers, strict=True)]
    pairs = list(zip(prompts, reference.prompts, strict=True))
    told = [(written.text, prompt.text) for written, prompt in pairs if written.text is not None]
    tokens = [
        (list(written.token_ids), list(prompt.token_ids)) for written, prompt in pairs if written.token_ids is not None
    ]
    return Parity(
        place,
        len(rows),
        sum(a == b for a, b in told) if told else None,
        sum(a == b for a, b in tokens) if tokens else None,
        sum(_alike(a, b) for a, b in zip(answers, reference.replies, strict=True)),
        sum(right),
        sum(reference.right),
        sum(before and not after for before, after in zip(reference.right, right, strict=True)),
        sum(after and not before for before, after in zip(reference.right, right, strict=True)),
        next((_apart(row, a, b) for row, (a, b) in zip(rows, pairs, strict=True) if _apart(row, a, b)), ""),
    )


def _alike(one: Answer, other: Answer) -> bool:
    """Whether two replies say and call the same, whatever ids their calls have."""
    first, second = one.reply, other.reply
    calls = [[(call.name, call.arguments) for call in reply.calls] for reply in (first, second)]
    # servers lose what was broken, or give it as text
    texts = ["".join([reply.text, *(bad.text for bad in reply.broken)]).strip() for reply in (first, second)]
    return calls[0] == calls[1] and texts[0] == texts[1] and first.ending == second.ending


def _apart(row: Conversation, written: Written, prompt: Prompt) -> str:
    """Where a prompt first differs from training's; "" where it does not."""
    if written.text is not None and written.text != prompt.text:
        ours, theirs = prompt.text, written.text
        at = next(
            (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
        )
        return f"row {row.id}: {theirs[at : at + 40]!r} where training has {ours[at : at + 40]!r}"
    if written.token_ids is not None and list(written.token_ids) != list(prompt.token_ids):
        mine, other = list(prompt.token_ids), list(written.token_ids)
        at = next((i for i, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b), min(len(mine), len(other)))
        return f"row {row.id}: token {at} is {other[at : at + 5]} where training has {mine[at : at + 5]}"
    return ""
