"""The in-process engine writes what transformers' own greedy generation writes, in batches, behind a cached prefix."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from callwright.generate.local import LocalEngine
from callwright.generate.prefix_cache import PrefixCache
from callwright.generate.reply import Options, Prompt
from callwright.generate.steps import Feed
from callwright.types import Ending
from tiny import ARCHITECTURES, VOCABULARY, tiny


@dataclass
class Numbers:
    """A tokenizer whose text is its token numbers."""

    eos_token_id: int = 2

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [int(part) for part in text.split()]}

    def decode(self, tokens: Sequence[int], **settings: Any) -> str:
        return " ".join(map(str, tokens))


def _prompts(prefix_len: int, count: int, seed: int = 0) -> list[Prompt]:
    rng = random.Random(seed)
    prefix = [rng.randrange(3, VOCABULARY) for _ in range(prefix_len)]
    suffixes = [[rng.randrange(3, VOCABULARY) for _ in range(rng.randrange(1, 14))] for _ in range(count)]
    return [Prompt("", prefix + suffix, prefix_len) for suffix in suffixes]


def _reference(model: Any, prompt: Prompt, new: int) -> str:
    model.set_attn_implementation("eager")
    out = model.generate(
        torch.tensor([list(prompt.token_ids)]), max_new_tokens=new, do_sample=False, eos_token_id=2, pad_token_id=0
    )
    tokens = out[0, len(prompt.token_ids) :].tolist()
    return " ".join(str(token) for token in tokens if token != 2)


@pytest.mark.parametrize("prefix_len", [0, 17])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_one_prompt_at_a_time(architecture: str, prefix_len: int) -> None:
    model = tiny(architecture).eval()
    prompts = _prompts(prefix_len, 7)
    engine = LocalEngine(model, Numbers(), (), batch_size=3)
    got = [c.text for c in engine.complete(prompts, Options(max_new_tokens=12))]
    assert got == [_reference(model, prompt, 12) for prompt in prompts]


def test_a_second_batch_takes_the_prefix_from_the_cache() -> None:
    engine = LocalEngine(tiny("llama").eval(), Numbers(), (), batch_size=2)
    list(engine.complete(_prompts(11, 6), Options(max_new_tokens=3)))
    assert (engine.cache.misses, engine.cache.hits) == (1, 2)


def test_the_prefix_cache_stays_within_its_bytes() -> None:
    cache = PrefixCache(max_bytes=1)
    engine = LocalEngine(tiny("llama").eval(), Numbers(), (), cache=cache)
    list(engine.complete(_prompts(11, 2), Options(max_new_tokens=3)))
    list(engine.complete(_prompts(11, 2), Options(max_new_tokens=3)))
    assert (cache.misses, cache.hits) == (2, 0)


def test_completions_come_in_the_order_of_the_prompts() -> None:
    model = tiny("llama").eval()
    mixed = [p for pair in zip(_prompts(9, 3, seed=1), _prompts(12, 3, seed=2), strict=True) for p in pair]
    engine = LocalEngine(model, Numbers(), (), batch_size=8)
    got = [c.text for c in engine.complete(mixed, Options(max_new_tokens=5))]
    assert got == [_reference(model, prompt, 5) for prompt in mixed]


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_prompts_that_share_nothing_decode_together(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(architecture).eval()
    own = [_prompts(length, 1, seed=length)[0] for length in (9, 12, 30, 5, 21)]
    prompts = [*own[:3], *_prompts(14, 2), *own[3:]]
    engine = LocalEngine(model, Numbers(), (), batch_size=8)
    list(engine.complete(own[4:], Options(max_new_tokens=1)))
    sizes = []
    forward = engine.steps.forward

    def counted(feeds: Sequence[Feed]) -> Any:
        sizes.append(len(feeds))
        return forward(feeds)

    monkeypatch.setattr(engine.steps, "forward", counted)
    got = [c.text for c in engine.complete(prompts, Options(max_new_tokens=6))]
    assert got == [_reference(model, prompt, 6) for prompt in prompts]
    assert sizes[0] == 7


def test_stops_end_a_reply_and_are_not_part_of_it() -> None:
    model = tiny("llama").eval()
    prompt = _prompts(9, 1)[0]
    free = next(LocalEngine(model, Numbers(), ()).complete([prompt], Options(max_new_tokens=8)))
    assert free.ending is Ending.LENGTH
    words = free.text.split()
    assert words[4] not in words[:4]
    one = next(LocalEngine(model, Numbers(), (words[4],)).complete([prompt], Options(max_new_tokens=8)))
    assert (one.text.split(), one.ending, one.tokens) == (words[:4], Ending.STOP, 5)
    long = next(LocalEngine(model, Numbers(), (" ".join(words[3:5]),)).complete([prompt], Options(max_new_tokens=8)))
    assert (long.text.split(), long.ending) == (words[:3], Ending.STOP)


def test_sampling_is_seeded() -> None:
    engine = LocalEngine(tiny("llama").eval(), Numbers(), ())
    runs = [
        [c.text for c in engine.complete(_prompts(9, 4), Options(max_new_tokens=6, temperature=1.0, top_p=0.9, seed=s))]
        for s in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_the_model_is_left_as_it_was() -> None:
    model = tiny("llama").train()
    model.set_attn_implementation("sdpa")
    list(LocalEngine(model, Numbers(), ()).complete(_prompts(9, 2), Options(max_new_tokens=2)))
    assert model.training
    assert model.config._attn_implementation == "sdpa"
