"""An engine and a tokenizer for tests, public so that users can test their own code with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from callwright.generate.reply import Completion, Options, Prompt
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
