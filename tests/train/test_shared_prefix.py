"""Shared-prefix and packed batches give the loss and gradients of one row at a time (pitfalls 13 and 14)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from callwright.models import attention, tree
from callwright.train.batch import MicroBatch, Plan, flatten, passes
from callwright.train.logprobs import Scorer
from callwright.train.loop import singles
from callwright.train.objectives.sft import Sft
from callwright.types import Rendered
from tiny import ARCHITECTURES, VOCABULARY, tiny

attention.install()


def _rows(prefix: int, count: int, seed: int = 3) -> list[Rendered]:
    """Rows with one prefix of `prefix` tokens and suffixes of unequal length, some tokens supervised."""
    rng = random.Random(seed)
    shared = [rng.randrange(3, VOCABULARY) for _ in range(prefix)]
    rows = []
    for _ in range(count):
        own = [rng.randrange(3, VOCABULARY) for _ in range(rng.randrange(2, 30))]
        weights = [0.0] * prefix + [rng.choice([0.0, 1.0, 0.5]) for _ in own]
        weights[-1] = 1.0
        rows.append(Rendered(shared + own, weights, prefix))
    return rows


def _one_at_a_time(model: torch.nn.Module, rows: Sequence[Rendered]) -> tuple[float, dict[str, torch.Tensor]]:
    """The reference: each row alone through transformers' own attention and cross-entropy."""
    model.set_attn_implementation("eager")  # type: ignore[operator]
    model.zero_grad()
    total = 0.0
    for row in rows:
        ids = torch.tensor([row.token_ids])
        logits = model(input_ids=ids).logits[0, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
        loss = (losses * torch.tensor(row.weights[1:])).sum()
        loss.backward()
        total += float(loss.detach())
    return total, _gradients(model)


def _together(model: torch.nn.Module, batches: Sequence[MicroBatch]) -> tuple[float, dict[str, torch.Tensor]]:
    model.set_attn_implementation(attention.NAME)  # type: ignore[operator]
    model.zero_grad()
    total = 0.0
    scorer: Any = Scorer(model)
    for batch in batches:
        loss = Sft()(scorer, batch)
        loss.total.backward()
        total += float(loss.total.detach())
    return total, _gradients(model)


def _gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def _assert_equal(got: tuple[float, dict[str, torch.Tensor]], want: tuple[float, dict[str, torch.Tensor]]) -> None:
    assert got[0] == pytest.approx(want[0], rel=1e-5)
    assert got[1].keys() == want[1].keys()
    for name, gradient in want[1].items():
        error = (got[1][name] - gradient).norm() / gradient.norm().clamp_min(1e-12)
        assert error < 1e-5, f"{name}: relative error {error:.2e}"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pitfall_13_shared_prefix_equals_one_row_at_a_time(architecture: str) -> None:
    model, rows = tiny(architecture), _rows(prefix=21, count=7)
    _assert_equal(_together(model, [flatten(singles(rows))]), _one_at_a_time(model, rows))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pitfall_13_packing_equals_one_row_at_a_time(architecture: str) -> None:
    model, rows = tiny(architecture), _rows(prefix=5, count=6)
    _assert_equal(_together(model, [flatten(singles(rows), share=False)]), _one_at_a_time(model, rows))


@pytest.mark.parametrize("architecture", ["llama", "gemma3"])
def test_groups_and_lone_rows_mix_in_one_batch(architecture: str) -> None:
    model = tiny(architecture)
    first, second, alone = _rows(20, 4, seed=1), _rows(17, 3, seed=2), _rows(9, 1, seed=5)
    batch = flatten(singles([*first, *second, *alone]))
    _assert_equal(_together(model, [batch]), _one_at_a_time(model, [*first, *second, *alone]))


@pytest.mark.parametrize("block", [4, 7, 64])
def test_blocks_of_queries_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefixes and suffixes longer than a block, and blocks of several suffixes."""
    monkeypatch.setattr(tree, "_TILE_SIZES", (block,))
    monkeypatch.setattr(attention, "_BLOCK", block)
    model, rows = tiny("mistral"), _rows(prefix=33, count=5)
    _assert_equal(_together(model, [flatten(singles(rows))]), _one_at_a_time(model, rows))


def test_softcapped_scores() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, sliding_window=10, attn_logit_softcapping=2.0, query_pre_attn_scalar=4,
    )  # fmt: skip
    model, rows = Gemma2ForCausalLM(config).float(), _rows(prefix=18, count=5)
    _assert_equal(_together(model, [flatten(singles(rows))]), _one_at_a_time(model, rows))


@pytest.mark.parametrize("max_tokens", [1, 40, 100, 10_000])
def test_pitfall_14_micro_batches_sum_to_the_whole(max_tokens: int) -> None:
    model = tiny("llama")
    rows = [*_rows(20, 6, seed=1), *_rows(18, 1, seed=4), *_rows(25, 5, seed=2)]
    plan = Plan(batch_size=len(rows), max_tokens=max_tokens, seed=0)
    (parts,) = passes(singles(rows), plan)
    assert sum(map(len, parts)) == len(rows)
    batches = [flatten(part) for part in parts]
    _assert_equal(_together(model, batches), _one_at_a_time(model, rows))


def test_a_prefix_is_computed_once() -> None:
    rows = _rows(prefix=50, count=8)
    batch = flatten(singles(rows))
    assert len(batch.token_ids) == 50 + sum(len(row.token_ids) - 50 for row in rows)
