"""Segments + a tokenizer -> Rendered: token ids, a loss weight a token, and the length of the shared prefix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any, Protocol

from callwright.dialects.base import Dialect
from callwright.dialects.weights import MEANINGS, weigh
from callwright.errors import DataError
from callwright.types import Conversation, Kind, Rendered, Segment

_PROMPT_KINDS = (Kind.PREFIX, Kind.PROMPT)


class Encoding(Protocol):
    """What the `tokenizers` library returns for one text."""

    @property
    def ids(self) -> list[int]: ...

    def char_to_token(self, char_pos: int, sequence_index: int = 0) -> int | None: ...


class Tokenizer(Protocol):
    """A fast transformers tokenizer: `backend_tokenizer` is a `tokenizers.Tokenizer`."""

    @property
    def backend_tokenizer(self) -> Any: ...


def encode_prompt(segments: Sequence[Segment], tokenizer: Tokenizer) -> tuple[list[int], int]:
    """Prompt segments -> ids and the length of their shared prefix in tokens.

    Cut exactly where `render` cuts, so that a prompt is a prefix of its render in tokens.
    """
    backend = tokenizer.backend_tokenizer
    pieces = pieces_of(segments)
    prefix = _prefix_text(pieces[0])
    texts = [prefix, *("".join(segment.text for segment in piece) for piece in pieces)]
    prefix_ids, *ids = (encoding.ids for encoding in backend.encode_batch_fast(texts, add_special_tokens=False))
    return [token for piece in ids for token in piece], _common(prefix_ids, ids[0])


def render(conversation: Conversation, dialect: Dialect, tokenizer: Tokenizer) -> Rendered:
    """One conversation -> Rendered. Raises DataError where the dialect cannot hold it."""
    return next(render_many([conversation], dialect, tokenizer))


def render_many(
    conversations: Iterable[Conversation],
    dialect: Dialect,
    tokenizer: Tokenizer,
    batch: int = 256,
    weights: Mapping[str, float] | None = None,
) -> Iterator[Rendered]:
    """Many conversations -> Rendered, tokenised `batch` rows at a time on all cores.

    weights: what the loss of each meaning is multiplied by, as `weights.MEANINGS` names them; 1 where none is given.
    """
    rows = iter(conversations)
    by_kind = {MEANINGS[name]: weight for name, weight in (weights or {}).items()}
    while chunk := list(islice(rows, batch)):
        texts = (dialect.segments(conversation) for conversation in chunk)
        pieces = [pieces_of(weigh(text, dialect.family, by_kind) if by_kind else text) for text in texts]
        yield from tokenise(pieces, [conversation.id for conversation in chunk], tokenizer)


def tokenise(rows: Sequence[list[list[Segment]]], ids: Sequence[str], tokenizer: Tokenizer) -> Iterator[Rendered]:
    """Rows of pieces -> Rendered, with two calls of the tokenizer for all of them.

    Places in the text are only asked for where a weight or a long prefix begins or ends; the rest is encoded without.
    """
    backend = tokenizer.backend_tokenizer
    pieces = [(piece, position == 0) for row in rows for position, piece in enumerate(row)]
    placed = [_needs_places(piece, first) for piece, first in pieces]
    texts = ["".join(segment.text for segment in piece) for piece, _ in pieces]
    with_places = [text for text, needed in zip(texts, placed, strict=True) if needed]
    without = [text for text, needed in zip(texts, placed, strict=True) if not needed]
    try:
        slow: Iterator[Encoding] = iter(backend.encode_batch(with_places, add_special_tokens=False))
        fast: Iterator[Encoding] = iter(backend.encode_batch_fast(without, add_special_tokens=False))
    except TypeError:
        # half of a surrogate pair, for which the library has no better words
        raise DataError(_broken(rows, ids), "the text holds half of a surrogate pair; remove it") from None
    prefixes: dict[str, list[int]] = {}
    number = 0
    for row, row_id in zip(rows, ids, strict=True):
        token_ids: list[int] = []
        weights: list[float] = []
        prefix_len = 0
        for position, piece in enumerate(row):
            encoding = next(slow if placed[number] else fast)
            number += 1
            got = encoding.ids
            if position == 0 and placed[number - 1]:
                prefix_len = _prefix_len(piece, encoding)
            elif position == 0:
                text = _prefix_text(piece)
                if text not in prefixes:
                    prefixes[text] = backend.encode(text, add_special_tokens=False).ids if text else []
                prefix_len = _common(prefixes[text], got)
            weights += _weights(piece, encoding) if any(s.weight for s in piece) else [0.0] * len(got)
            token_ids += got
        yield Rendered(token_ids, weights, prefix_len, row_id)


def _broken(rows: Sequence[list[list[Segment]]], ids: Sequence[str]) -> str:
    """The id of the first row whose text has no UTF-8 form."""
    for row, row_id in zip(rows, ids, strict=True):
        try:
            "".join(segment.text for piece in row for segment in piece).encode()
        except UnicodeEncodeError:
            return f"row {row_id}"
    return "a row"


# A prefix of fewer characters is encoded by itself, once a batch, which costs less than the places of a whole prompt.
_SHORT_PREFIX = 64


def _needs_places(piece: Sequence[Segment], first: bool) -> bool:
    return any(segment.weight for segment in piece) or (first and len(_prefix_text(piece)) > _SHORT_PREFIX)


def _prefix_text(piece: Sequence[Segment]) -> str:
    return "".join(segment.text for segment in takewhile(lambda segment: segment.kind is Kind.PREFIX, piece))


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts begin with alike: tokens of the shorter text, so they lie wholly inside it."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def pieces_of(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Cuts where the assistant begins to write, because a served prompt ends there and is tokenised alone.

    Tokens would otherwise be merged across that place ("\\n\\n" + "<calls>" is split differently from "\\n\\n" alone)
    and the model would be trained on tokens that it never meets when it is served.
    """
    pieces: list[list[Segment]] = [[]]
    own = False
    for segment in segments:
        starts = segment.kind not in _PROMPT_KINDS and not own
        own = segment.kind not in _PROMPT_KINDS
        if starts and pieces[-1]:
            pieces.append([])
        pieces[-1].append(segment)
    return pieces


def _prefix_len(piece: Sequence[Segment], encoding: Encoding) -> int:
    """Tokens that lie wholly inside the PREFIX segments at the start."""
    length = len(_prefix_text(piece))
    token = encoding.char_to_token(length) if length else 0
    return len(encoding.ids) if token is None else token


def _weights(piece: Sequence[Segment], encoding: Encoding) -> list[float]:
    """The weight of each token: that of the segment in which its first character lies."""
    total = len(encoding.ids)
    weights = [0.0] * total
    place = 0
    start = 0
    for segment in piece:
        place += len(segment.text)
        end = _token_from(encoding, place, total)
        if segment.weight:
            weights[start:end] = [segment.weight] * (end - start)
        start = max(start, end)
    return weights


def _token_from(encoding: Encoding, place: int, total: int) -> int:
    """The first token that begins at or after character `place`."""
    token = encoding.char_to_token(place)
    if token is None:
        return total
    before = encoding.char_to_token(place - 1) if place else None
    return token + 1 if before == token else token
