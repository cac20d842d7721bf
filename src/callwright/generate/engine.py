"""Prompts -> completions over a step engine: grammars, guesses and batches are the same whatever computes the steps."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from callwright.generate.closing import Closer
from callwright.generate.constrain import Grammars
from callwright.generate.decode import Decoder, Row
from callwright.generate.draft import Draft, Replies
from callwright.generate.reply import Completion, Options, Prompt
from callwright.generate.steps import Feed, Steps
from callwright.generate.text import TextStream

# tool sets whose replies are remembered
_REMEMBERED = 64
# engines prepare their products anew where a pass has one token, and where it has many
_WARMING = (1, 32)


@dataclass
class StepEngine:
    """An engine over `steps`. stops: texts that end a reply, as the dialect names them; EOS always does.

    drafted: how many tokens are guessed at a time, 0 for none.
    """

    steps: Steps
    tokenizer: Any
    stops: Sequence[str]
    drafted: int = 16
    _grammars: Grammars | None = None
    _closer: Closer | None = None
    _stems: dict[int, int] = field(default_factory=dict)
    _replies: OrderedDict[tuple[int, ...], Replies] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._stop_ids, self._stop_texts = _split_stops(self.tokenizer, self.stops)

    def complete(self, prompts: Sequence[Prompt], options: Options) -> Iterator[Completion]:
        """Completions in order. Prompts with one prefix decode side by side, whatever order they came in."""
        decoder = Decoder(self.steps)
        waiting = deque(self._ordered(prompts))
        numbers: dict[int, int] = {}
        done: dict[int, Completion] = {}
        given = 0
        try:
            while waiting or decoder.rows:
                while waiting:
                    number, prefix_len = waiting[0]
                    if not decoder.takes(prompts[number].token_ids, prefix_len, options.max_new_tokens):
                        break
                    waiting.popleft()
                    row = self.row(prompts[number], options, number, prefix_len)
                    numbers[id(row)] = number
                    decoder.add(row)
                for row in decoder.round():
                    done[numbers.pop(id(row))] = self.completion(row)
                while given in done:
                    yield done.pop(given)
                    given += 1
        finally:
            for row in list(decoder.rows):
                decoder.drop(row)

    def warm(self) -> None:
        """What the first reply would wait for: the tokenizer is read for grammars, and passes take their memory."""
        _ = self.grammars
        for tokens in _WARMING:
            prompt = [min(self._stop_ids)] * tokens
            sequence, _held = self.steps.open(prompt, 0, 1)
            self.steps.forward([Feed(sequence, prompt)])
            self.steps.close(sequence)

    def row(self, prompt: Prompt, options: Options, number: int, prefix_len: int) -> Row:
        """A reply to be written. number: of its random choices."""
        guard = self.grammars.start(prompt.grammar) if prompt.grammar is not None else None
        draft = None
        if self.drafted:
            draft = Draft(prompt.token_ids[prompt.prefix_len :], self._remembered(prompt), self._stem)
        return Row(
            prompt.token_ids,
            prefix_len,
            options,
            frozenset(self._stop_ids),
            guard,
            draft,
            self.drafted,
            options.seed * 1_000_003 + number,
            self._ends((*self._stop_texts, *options.stops)),
            self.closer if guard else None,
        )

    @property
    def stop_ids(self) -> frozenset[int]:
        """The tokens that end a reply."""
        return frozenset(self._stop_ids)

    @property
    def grammars(self) -> Grammars:
        """Of this tokenizer, the compiled ones kept."""
        if self._grammars is None:
            self._grammars = Grammars(self.tokenizer, self.steps.vocabulary, sorted(self._stop_ids))
        return self._grammars

    @property
    def closer(self) -> Closer:
        """Of this tokenizer."""
        if self._closer is None:
            self._closer = Closer(self.tokenizer, sorted(self._stop_ids))
        return self._closer

    def completion(self, row: Row) -> Completion:
        """What a row that ended has written."""
        assert row.ending is not None
        tokens = row.tokens
        if row.draft:
            row.draft.ended(tokens)
        kept = tokens[:-1] if tokens and tokens[-1] in self._stop_ids else tokens
        stream = self.text_stream(row.options)
        text = stream.feed(kept) + stream.finish()
        return Completion(text, row.ending, len(tokens), tuple(row.written), row.passes, row.cached)

    def _ordered(self, prompts: Sequence[Prompt]) -> list[tuple[int, int]]:
        """Numbers of prompts, those with one prefix beside each other, the shorter first; and their prefixes' lengths.

        Of several prompts whose prefixes nothing shares, each is computed whole, and not kept.
        """
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, prompt in enumerate(prompts):
            groups.setdefault(tuple(prompt.token_ids[: prompt.prefix_len]), []).append(number)
        alone = [prefix for prefix, numbers in groups.items() if len(numbers) == 1]
        ordered = []
        for prefix, numbers in groups.items():
            whole = len(alone) > 1 and len(numbers) == 1
            numbers.sort(key=lambda number: len(prompts[number].token_ids))
            ordered += [(number, 0 if whole else len(prefix)) for number in numbers]
        return ordered

    def _stem(self, token: int) -> int:
        found = self._stems.get(token)
        if found is None:
            text = self.tokenizer.decode([token]) if token >= 0 else ""
            bare = self.tokenizer(text[1:], add_special_tokens=False)["input_ids"] if text[:1] == " " else []
            found = self._stems[token] = bare[0] if len(bare) == 1 else token
        return found

    def _remembered(self, prompt: Prompt) -> Replies:
        key = tuple(prompt.token_ids[: prompt.prefix_len])
        found = self._replies.setdefault(key, Replies())
        self._replies.move_to_end(key)
        if len(self._replies) > _REMEMBERED:
            self._replies.popitem(last=False)
        return found

    def text_stream(self, options: Options) -> TextStream:
        """For the text of a reply as it comes."""
        return TextStream(self.tokenizer, (*self._stop_texts, *options.stops))

    def _ends(self, stops: Sequence[str]) -> Callable[[Sequence[int]], bool] | None:
        """Whether a reply holds one of these texts at its end."""
        if not stops:
            return None
        # a token is a character or more of it
        tail = max(map(len, stops)) + 8

        def ends(written: Sequence[int]) -> bool:
            text = self.tokenizer.decode(list(written[-tail:]))
            return any(stop in text for stop in stops)

        return ends


def _split_stops(tokenizer: Any, stops: Sequence[str]) -> tuple[set[int], list[str]]:
    """Stops that are one token, by id (with EOS), and those that are longer, as text."""
    ids, texts = {int(tokenizer.eos_token_id)}, []
    for stop in stops:
        tokens = tokenizer(stop, add_special_tokens=False)["input_ids"]
        if len(tokens) == 1:
            ids.add(int(tokens[0]))
        else:
            texts.append(stop)
    return ids, texts
