"""A request in pieces -> the text as a person in a hurry would type it; values are left as they are."""

from __future__ import annotations

import random
import re

from callwright.data.similar import words
from callwright.synth.pools import verbs
from callwright.synth.request import Around, Piece, Request

# The share of rows with a slip in the words, and in the words of a closed choice: people type well most of the time.
_ROUGH = 0.18
_ROUGH_CHOICE = 0.08
_ASKS = re.compile(r"\b(?:you|u|to|and|please|pls|mind)\b")


def roughen(request: Request, rng: random.Random, around: Around) -> str:
    """Adds words around the request, and on some rows slips of the keyboard, outside the values.

    A closed choice may be misspelt, since the call holds the schema's own spelling; any other value is copied.
    """
    # after a value, words of politeness could be part of it
    tail = rng.choice(around.tails) if request.pieces[-1].kind == "words" or rng.random() < 0.3 else ""
    pieces = [Piece(_opener(request, rng, around)), *request.pieces, Piece(tail)]
    for kind, share in (("words", _ROUGH), ("choice", _ROUGH_CHOICE)):
        places = [i for i, piece in enumerate(pieces) if piece.kind == kind and len(piece.text) > 4]
        if places and rng.random() < share:
            place = rng.choice(places)
            pieces[place] = Piece(slip(pieces[place].text, rng), pieces[place].kind)
    text = "".join(piece.text for piece in pieces).strip()
    first = next((piece for piece in pieces if piece.text), None)
    if rng.random() < 0.25 and first is not None and first.kind == "words" and text[:1].islower():
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.12 and text[-1:].isalnum():
        text += rng.choice([".", "!", ".", " pls", "..."])
    return text


def _opener(request: Request, rng: random.Random, around: Around) -> str:
    """Words before a request; those that ask for a deed ("could you") only where one follows."""
    first = words(request.text[:40])[:1]
    opener = rng.choice(around.openers)
    if _ASKS.search(opener) and not (first and first[0] in verbs()):
        return rng.choice([other for other in around.openers if not _ASKS.search(other)] or [""])
    return opener


def slip(text: str, rng: random.Random) -> str:
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
