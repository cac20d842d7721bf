"""A request in pieces -> the text as a person in a hurry would type it; values are left as they are."""

from __future__ import annotations

import random
from collections.abc import Sequence

from callwright.synth.phrase import Request

# The share of rows with a slip: people type well most of the time.
_ROUGH = 0.18


def roughen(request: Request, rng: random.Random, openers: Sequence[str], tails: Sequence[str]) -> str:
    """Adds words around the request, and on some rows slips of the keyboard, outside the values."""
    # after a value, words of politeness could be part of it
    tail = rng.choice(tails) if not request.pieces[-1][1] or rng.random() < 0.3 else ""
    pieces = [(rng.choice(openers), False), *request.pieces, (tail, False)]
    if rng.random() < _ROUGH:
        places = [i for i, (text, value) in enumerate(pieces) if not value and len(text) > 5]
        if places:
            place = rng.choice(places)
            pieces[place] = (_slip(pieces[place][0], rng), False)
    text = "".join(piece for piece, _ in pieces).strip()
    style = rng.random()
    if style < 0.25 and not pieces[0][1] and text[:1].islower() and _free_start(pieces):
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.12 and text[-1:].isalnum():
        text += rng.choice([".", "!", ".", " pls", "..."])
    return text


def _free_start(pieces: Sequence[tuple[str, bool]]) -> bool:
    """Whether the first letter belongs to no value."""
    return next((not value for text, value in pieces if text), True)


def _slip(text: str, rng: random.Random) -> str:
    letters = [
        i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha() and text[i - 1].isalpha()
    ]
    kind = rng.random()
    if kind < 0.3 and "'" in text:
        return text.replace("'", "")
    if not letters:
        return text
    place = rng.choice(letters)
    if kind < 0.6:
        return text[:place] + text[place + 1 :]
    if kind < 0.85:
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text[:place] + text[place] + text[place:]
