"""Grammars over a tokenizer: which tokens a reply may go on with, and which it must.

A grammar is Lark text in llguidance's syntax, as `Dialect.grammar` writes it. Forced tokens are those that the
tokenizer makes of the text that must come: where what follows could change them, llguidance leaves the last ones out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callwright.errors import EngineError

# address space of the thread that compiles; memory is taken as it is needed
_STACK = 512 << 20


class GrammarError(EngineError):
    """What the tools or the schema ask for cannot be made a grammar of."""


class Grammars:
    """Compiles grammars for one tokenizer; the `most` that were used last are kept."""

    def __init__(self, tokenizer: Any, vocabulary: int, stops: Sequence[int], most: int = 256) -> None:
        """tokenizer: a fast one of transformers. vocabulary: how many logits the model gives, padding included.
        stops: ids of the tokens that may end a reply where the grammar lets it end."""
        from llguidance.hf import from_tokenizer

        self._tokens = from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=list(stops))
        self._size, self._most = vocabulary, most
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, lark: str) -> Guard:
        """A reply that has not begun. Raises GrammarError for a grammar that llguidance cannot hold. For any thread."""
        from llguidance import LLMatcher

        with self._lock:
            found = self._kept.get(lark)
        if found is None:
            found = _with_room(lambda: LLMatcher(self._tokens, lark, log_level=0))
            if found.is_error():
                raise GrammarError(f"the grammar cannot be held: {found.get_error().splitlines()[0]}")
        with self._lock:
            self._kept[lark] = found
            self._kept.move_to_end(lark)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return Guard(found.deep_copy(), self._size, lark)


def _with_room(make: Callable[[], Any]) -> Any:
    """What a function gives, run where the stack is large: llguidance's compiler goes as deep as the rules refer to one
    another, some kilobytes a rule, and ends the process where the stack does."""
    made: list[Any] = []
    usual = threading.stack_size(_STACK)
    try:
        thread = threading.Thread(target=lambda: made.append(make()))
        thread.start()
    finally:
        threading.stack_size(usual)
    thread.join()
    return made[0]


class Guard:
    """Where one reply stands in its grammar, `lark`."""

    def __init__(self, matcher: Any, size: int, lark: str) -> None:
        self._matcher, self.lark = matcher, lark
        # whole words of 32 tokens
        self._bits = np.zeros((1, (size + 31) // 32), dtype=np.int32)
        self._size = size

    def copy(self) -> Guard:
        """Another one, at the same place."""
        return Guard(self._matcher.deep_copy(), self._size, self.lark)

    @property
    def ended(self) -> bool:
        """Whether nothing but a stop can follow."""
        return bool(self._matcher.is_stopped())

    @property
    def complete(self) -> bool:
        """Whether the reply may end here."""
        return bool(self._matcher.is_accepting())

    def forced(self) -> list[int]:
        """The tokens that must follow, none where there is a choice. They are not taken yet."""
        return [] if self.ended else list(self._matcher.compute_ff_tokens())

    def fits(self, tokens: Sequence[int]) -> int:
        """How many of these, from the first, may follow."""
        return 0 if self.ended else int(self._matcher.validate_tokens(list(tokens)))

    def allowed(self) -> NDArray[np.bool_]:
        """[V], true for every token that may follow."""
        from llguidance.numpy import fill_next_token_bitmask

        fill_next_token_bitmask(self._matcher, self._bits)
        return np.unpackbits(self._bits.view(np.uint8)[0], bitorder="little")[: self._size].astype(bool)

    def take(self, tokens: Sequence[int]) -> None:
        """Goes on with these. Raises EngineError for a token that may not follow."""
        if tokens and not self._matcher.consume_tokens(list(tokens)):
            raise EngineError(f"the reply left its grammar: {self._matcher.get_error().splitlines()[0]}")

    def give_back(self, count: int) -> None:
        """Takes back the last `count` tokens."""
        if count and not self._matcher.rollback(count):
            raise EngineError(f"the grammar cannot go back: {self._matcher.get_error().splitlines()[0]}")
