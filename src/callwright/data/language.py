"""A text -> the language that it is most likely in, or "unsure"."""

from __future__ import annotations

from functools import cache
from typing import Any

UNSURE = "unsure"
SURE = 0.8
"""The least probability, among LANGUAGES, that counts as an answer."""

_CODES = "ar bn cs da de el en es fa fi fr he hi hu id it ja ko nl no pl pt ro ru sv th tr uk vi zh"
LANGUAGES = tuple(_CODES.split())
"""Short requests are told apart far better among these than among the hundred languages that the library knows."""

_MOST = 1_000
"""Characters that are looked at."""


def language_of(text: str) -> str:
    """The ISO 639-1 code of one of LANGUAGES, or UNSURE: too short, or like several of them.

    >>> language_of("mach bitte das Licht in der Küche an"), language_of("ok")
    ('de', 'unsure')
    """
    code, probability = _identifier().classify(text[:_MOST])
    return str(code) if probability >= SURE else UNSURE


@cache
def _identifier() -> Any:
    # half a second: only where languages are asked for
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    return identifier
