"""A reply that runs out of tokens ends in form, whatever the model writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from callwright.dialects import dialect_for
from callwright.generate.engine import StepEngine
from callwright.generate.fake import FakeSteps
from callwright.generate.reply import Options, reply
from callwright.generate.steps import Feed
from callwright.generate.written import Origin
from callwright.models.tokenizer import load_tokenizer
from callwright.schema import validate
from callwright.types import Conversation, Ending, Message, Tool

SIZE = 49_152
TOOL = Tool(
    "send_mail",
    "Send a mail.",
    {
        "type": "object",
        "properties": {
            "to": {"type": "string", "minLength": 3},
            "body": {"type": "string"},
            "days": {"type": "array", "items": {"enum": ["monday", "tuesday"]}, "minItems": 2},
            "when": {"type": "object", "properties": {"hour": {"type": "integer"}}, "required": ["hour"]},
            "urgent": {"type": "boolean"},
        },
        "required": ["to", "body", "days", "when"],
    },
)
ROW = Conversation("1", (TOOL,), (Message("user", "Write to Ann."),))


class Random(FakeSteps):
    """Logits by chance: every token that may follow is as likely."""

    def __init__(self, seed: int) -> None:
        super().__init__(load_tokenizer("smollm2-135m"), ["x"], SIZE)
        self._random = np.random.default_rng(seed)

    def forward(self, feeds: Sequence[Feed]) -> list[Any]:
        super().forward(feeds)
        return [self._random.normal(size=(feed.wanted, SIZE)).astype(np.float32) for feed in feeds]


@pytest.mark.parametrize("name", ["hermes", "qwen3-coder", "llama-json", "pythonic", "xlam"])
@settings(deadline=None, max_examples=3, derandomize=True, phases=[Phase.generate])
@given(seed=st.integers(0, 10**6), most=st.integers(100, 180))
def test_chance_writes_whole_calls(name: str, seed: int, most: int) -> None:
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for(name, tokenizer)
    engine = StepEngine(Random(seed), tokenizer, dialect.stops, 0)
    options = Options(mode="forced", constrain=True, max_new_tokens=most, parallel=False)
    (answer,) = reply([ROW], dialect, tokenizer, engine, options)
    assert answer.tokens <= most
    [call] = answer.reply.calls
    assert not answer.reply.broken
    assert not validate(call.arguments, TOOL.parameters)
    # random text does not end by itself
    assert answer.reply.ending is Ending.LENGTH
    assert answer.written[-1].origin is Origin.CLOSED


def test_too_few_tokens_for_any_call_are_cut() -> None:
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for("hermes", tokenizer)
    engine = StepEngine(Random(1), tokenizer, dialect.stops, 0)
    (answer,) = reply([ROW], dialect, tokenizer, engine, Options(mode="forced", constrain=True, max_new_tokens=12))
    assert (answer.tokens, answer.reply.ending, answer.reply.calls) == (12, Ending.LENGTH, ())
