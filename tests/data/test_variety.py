"""Distinct n-grams and self-BLEU: their ends, and against BLEU written out."""

from __future__ import annotations

import math

import pytest

from callwright.data.variety import distinct, self_bleu


def test_the_same_text_again_is_no_variety() -> None:
    texts = ["turn on the light in the hall"] * 10
    assert self_bleu(texts) == pytest.approx(1.0)
    assert distinct(texts) == pytest.approx(0.1)


def test_texts_that_share_nothing() -> None:
    texts = [" ".join(f"w{chr(97 + i)}{chr(97 + j)}x" for j in range(6)) for i in range(10)]
    assert distinct(texts, 4) == 1.0
    assert self_bleu(texts) < 0.15


def test_against_bleu_by_hand() -> None:
    # 'a b c d e' against 'a b c d x': 4/5, 3/4, 2/3, 1/2 of the runs match, and the lengths are equal
    by_hand = math.exp(sum(map(math.log, (4 / 5, 3 / 4, 2 / 3, 1 / 2))) / 4)
    assert self_bleu(["a b c d e", "a b c d x"]) == pytest.approx(by_hand)


def test_too_short_to_say() -> None:
    assert distinct(["hi"], 4) == 0.0
    assert self_bleu(["hi", "hello"]) == 0.0
    assert self_bleu([]) == 0.0
