"""Trees of any depth: what the flat sequence holds, and losses and gradients against rows one at a time."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.models import attention
from callwright.models.flex import by_flex
from callwright.models.scores import How
from callwright.models.tree import Layout, continue_layout
from callwright.train.batch import flatten
from callwright.train.logprobs import Scorer
from callwright.train.loop import singles
from callwright.train.objectives.sft import Sft
from callwright.types import Rendered
from tiny import ARCHITECTURES, VOCABULARY, tiny

attention.install()


def _family(seed: int, widths: tuple[int, ...] = (2, 3, 2), lengths: tuple[int, int] = (3, 40)) -> list[Rendered]:
    """Rows that branch again and again: tools, then dialogues, then turns, then answers."""
    rng = random.Random(seed)
    rows: list[list[int]] = [[]]
    for width in widths:
        rows = [
            [*row, *(rng.randrange(3, VOCABULARY) for _ in range(rng.randint(*lengths)))]
            for row in rows
            for _ in range(rng.randint(1, width))
        ]
    made = []
    for number, tokens in enumerate(rows):
        weights = [0.0] * (len(tokens) - 4) + [1.0, 0.5, 1.0, 2.0]
        made.append(Rendered(tokens, weights[-len(tokens) :], 0, f"r{number}"))
    rng.shuffle(made)
    return made


def _loss(model: Any, batches: list[Any]) -> tuple[float, dict[str, torch.Tensor]]:
    model.set_attn_implementation(attention.NAME)
    model.zero_grad()
    scorer, total = Scorer(model), 0.0
    for batch in batches:
        got = Sft()(scorer, batch)
        got.total.backward()
        total += float(got.total.detach())
    return total, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pitfall_13_a_tree_equals_its_rows(architecture: str, seed: int) -> None:
    """Losses and gradients within 1e-5, also where a window ends inside a node above."""
    model, rows = tiny(architecture, max_position_embeddings=512), _family(seed)
    tree = _loss(model, [flatten(singles(rows))])
    alone = _loss(model, [flatten(singles([row])) for row in rows])
    assert tree[0] == pytest.approx(alone[0], rel=1e-5)
    for name, gradient in alone[1].items():
        error = (tree[1][name] - gradient).norm() / gradient.norm().clamp_min(1e-12)
        assert error < 1e-5, f"{name}: relative error {error:.2e}"


ROWS = st.lists(st.lists(st.integers(3, 5), min_size=1, max_size=70), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.booleans())
def test_the_flat_sequence_holds_every_row_once(tokens: list[list[int]], share: bool) -> None:
    """Along what a row's last token sees stand the row's tokens, in order; nothing else is seen."""
    rows = [Rendered(row, [0.0] * (len(row) - 1) + [1.0], 0, str(n)) for n, row in enumerate(tokens) if len(row) > 1]
    if not rows:
        return
    batch = flatten(singles(rows), share)
    assert len(batch.token_ids) <= sum(len(row.token_ids) for row in rows)
    visible = _visible(batch.layout)
    assert len(batch.predict) == len(rows)
    for place, target, owner in zip(batch.predict.tolist(), batch.targets.tolist(), batch.owners.tolist(), strict=True):
        seen = batch.token_ids[visible[place]].tolist()
        assert [*seen, target] == rows[owner].token_ids
        assert batch.layout.positions[place] == len(seen) - 1


def _visible(layout: Layout) -> torch.Tensor:
    """[T, N] bool by `last`, as the dense mask would be."""
    at = torch.arange(layout.past, len(layout.positions))[:, None]
    keys = torch.arange(len(layout.positions))[None, :]
    return (keys <= at) & (at < layout.last[None, :])


def _dense(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, layout: Layout, how: How) -> torch.Tensor:
    """The same by one softmax under a dense mask: [1, H, T, D] -> [1, T, H, D]."""
    visible = _visible(layout)
    if how.window is not None:
        visible &= layout.positions[layout.past :, None] - layout.positions[None, :] < how.window
    repeat = q.shape[1] // k.shape[1]
    scores = q @ k.repeat_interleave(repeat, 1).transpose(2, 3) * how.scale
    if how.softcap is not None:
        scores = how.softcap * torch.tanh(scores / how.softcap)
    weights = torch.softmax(scores.masked_fill(~visible, float("-inf")), -1)
    return (weights @ v.repeat_interleave(repeat, 1)).transpose(1, 2)


@pytest.mark.parametrize("window", [None, 1, 7, 40])
@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("lengths", [(1, 3), (3, 40), (20, 200)])
def test_both_kernels_equal_a_dense_mask(window: int | None, softcap: float | None, lengths: tuple[int, int]) -> None:
    rows = _family(5, lengths=lengths)
    layout = flatten(singles(rows)).layout
    how = How(0.3, window, softcap)
    torch.manual_seed(0)
    tokens = layout.tokens
    results = []
    inputs = [torch.randn(1, heads, tokens, 8) for heads in (6, 2, 2)]
    weights = torch.randn(1, tokens, 6, 8)
    for kernel in (_dense, attention.by_parts):
        tensors = [tensor.clone().requires_grad_() for tensor in inputs]
        made = kernel(*tensors, layout, how)
        (made * weights).sum().backward()
        results.append([made.detach(), *(tensor.grad for tensor in tensors)])
    for want, got in zip(*results, strict=True):
        assert torch.allclose(got, want, rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]
    # FlexAttention has no gradients on the CPU
    assert torch.allclose(by_flex(*inputs, layout, how), results[0][0], atol=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("past", [0, 1, 90])
def test_rows_continue_keys_that_were_computed_earlier(past: int) -> None:
    layout = continue_layout(past, [3, 70, 150])
    torch.manual_seed(0)
    q, k, v = torch.randn(1, 6, 223, 8), torch.randn(1, 2, past + 223, 8), torch.randn(1, 2, past + 223, 8)
    how = How(0.3, None, None)
    want = _dense(q, k, v, layout, how)
    assert torch.allclose(attention.by_parts(q, k, v, layout, how), want, atol=1e-5)
    assert torch.allclose(by_flex(q, k, v, layout, how), want, atol=1e-5)


def test_answers_to_one_prompt_share_it() -> None:
    prompt = [3 + n % 50 for n in range(60)]
    rows = [Rendered([*prompt, 60 + n, 70, 2], [0.0] * 60 + [1.0] * 3, 20, f"r{n}") for n in range(3)]
    assert len(flatten(singles(rows)).token_ids) == 60 + 3 * 3
