"""Engines and a tokenizer for tests, public so that users can test their own code with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callwright.generate.reply import Completion, Options, Prompt
from callwright.generate.steps import Feed
from callwright.types import Ending


@dataclass(frozen=True)
class FakeEngine:
    """Answers prompts with the given texts, over and over."""

    texts: Sequence[str]
    ending: Ending = Ending.STOP

    def complete(self, prompts: Sequence[Prompt], options: Options) -> Iterator[Completion]:
        """The next text for each prompt."""
        for number, _ in enumerate(prompts):
            text = self.texts[number % len(self.texts)]
            yield Completion(text, self.ending, len(text))


class FakeSteps:
    """A step engine that writes given texts, over and over: with it the real loop, grammars and server are tested.

    Where a grammar does not admit the text, it chooses among what it admits, by the tokens' numbers.
    """

    most = 1 << 20
    overhead = 2.0

    def __init__(self, tokenizer: Any, texts: Sequence[str], vocabulary: int, *, room: int = 8) -> None:
        self._scripts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        self._stop, self.vocabulary, self.room = int(tokenizer.eos_token_id), vocabulary, room
        self._held: dict[int, tuple[int, int, list[int]]] = {}
        self._opened = 0
        self.passes = 0

    def takes(self, tokens: Sequence[int], prefix_len: int, more: int) -> bool:
        """As `Steps.takes`."""
        return len(self._held) < self.room

    def open(self, tokens: Sequence[int], prefix_len: int, more: int) -> tuple[int, int]:
        """As `Steps.open`: it takes the next of the texts."""
        sequence = next(number for number in range(self.room) if number not in self._held)
        held = min(prefix_len, len(tokens) - 1)
        self._held[sequence] = held, len(tokens), self._scripts[self._opened % len(self._scripts)]
        self._opened += 1
        return sequence, held

    def forward(self, feeds: Sequence[Feed]) -> list[NDArray[np.float32]]:
        """As `Steps.forward`."""
        self.passes += 1
        made = []
        for feed in feeds:
            held, begun, script = self._held[feed.sequence]
            self._held[feed.sequence] = held + len(feed.tokens), begun, script
            end = held + len(feed.tokens) - begun
            logits = np.tile(-np.arange(self.vocabulary, dtype=np.float32), (feed.wanted, 1))
            for row, place in enumerate(range(end - feed.wanted + 1, end + 1)):
                token = script[place] if place < len(script) else self._stop
                logits[row, token] = 10.0
            made.append(logits)
        return made

    def cut(self, sequence: int, length: int) -> None:
        """As `Steps.cut`."""
        _, begun, script = self._held[sequence]
        self._held[sequence] = length, begun, script

    def close(self, sequence: int) -> None:
        """As `Steps.close`."""
        del self._held[sequence]


@dataclass(frozen=True)
class _Encoded:
    ids: list[int]

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> int | None:
        return char_pos if char_pos < len(self.ids) else None


class CharacterTokenizer:
    """One token a character: enough of a fast tokenizer for rendering."""

    @property
    def backend_tokenizer(self) -> Any:
        """Itself: it has what rendering asks of a `tokenizers.Tokenizer`."""
        return self

    def encode(self, text: str, add_special_tokens: bool = False) -> _Encoded:
        """A text -> an encoding whose ids are code points."""
        return _Encoded([ord(char) for char in text])

    def encode_batch(self, texts: Sequence[str], add_special_tokens: bool = False) -> list[_Encoded]:
        """Texts -> encodings."""
        return [self.encode(text) for text in texts]

    def encode_batch_fast(self, texts: Sequence[str], add_special_tokens: bool = False) -> list[_Encoded]:
        """The same: these encodings cost nothing to place."""
        return self.encode_batch(texts)
