"""Rows + a dialect and a tokenizer -> their sizes in exact tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from callwright.data.stats import Size
from callwright.dialects.base import Dialect
from callwright.dialects.tokenise import pieces_of, tokenise
from callwright.errors import DataError
from callwright.types import Conversation, Segment


def sizes_in(dialect: Dialect, tokenizer: Any) -> Callable[[Sequence[Conversation]], list[Size | None]]:
    """A function that measures rows together; None stands for a row that the dialect or the tokenizer cannot write."""

    def measure(rows: Sequence[Conversation]) -> list[Size | None]:
        pieces = [_pieces(row, dialect) for row in rows]
        written = [each for each in pieces if each]
        rendered = iter([*tokenise(written, [""] * len(written), tokenizer)])
        return [_size(next(rendered)) if each else None for each in pieces]

    return measure


def _size(rendered: Any) -> Size:
    trained = sum(1 for weight in rendered.weights if weight)
    return Size(len(rendered.token_ids), trained, rendered.prefix_len)


def _pieces(row: Conversation, dialect: Dialect) -> list[list[Segment]]:
    try:
        pieces = pieces_of(list(dialect.segments(row)))
        "".join(segment.text for piece in pieces for segment in piece).encode()
    except (DataError, UnicodeEncodeError):
        return []
    return pieces
