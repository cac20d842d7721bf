"""Which tokens speak for which call."""

from __future__ import annotations

import pytest

from callwright.dialects import dialect_for
from callwright.generate.confidence import Sureness, sureness
from callwright.generate.text import TextStream
from callwright.generate.written import Origin, Written
from callwright.models.tokenizer import load_tokenizer
from callwright.types import Tool

TOOLS = (Tool("f", "F.", {"type": "object", "properties": {"a": {"type": "integer"}}}),)
ONE = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'


def of(text: str, origin: Origin = Origin.CHOSEN, begun: str = "") -> list[Sureness]:
    """Every token has the log-probability -1."""
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for("hermes", tokenizer)
    tokens = [Written(token, origin, -1.0) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]
    return sureness(tokens, TextStream(tokenizer, dialect.stops), dialect.stream(TOOLS), begun)


def test_all_tokens_of_a_call_count_once() -> None:
    tokenizer = load_tokenizer("smollm2-135m")
    count = len(tokenizer(ONE, add_special_tokens=False)["input_ids"])
    (sure,) = of(ONE)
    assert sure.total == -count
    assert -count < sure.name < 0
    assert sure.least == -1
    assert not sure.cut


def test_each_call_has_its_own_and_text_has_none() -> None:
    (alone,) = of(ONE)
    first, second = of(f"{ONE}\n{ONE}")
    assert first.total == pytest.approx(alone.total, abs=1)
    assert second.total == pytest.approx(alone.total, abs=1)
    assert of("Nothing to do here.") == []
    (told,) = of("I will do that now, as you said.\n" + ONE)
    assert told.total == pytest.approx(alone.total, abs=2)


def test_what_stood_in_the_prompt_does_not_count() -> None:
    opening = "<tool_call>\n"
    (sure,) = of(ONE.removeprefix(opening), begun=opening)
    (whole,) = of(ONE)
    assert sure.total > whole.total
    assert sure.arguments == whole.arguments


def test_a_call_that_was_cut_says_so() -> None:
    (sure,) = of(ONE, Origin.CLOSED)
    assert sure.cut
