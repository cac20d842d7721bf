"""A trunk: what the passes of a step begin with, computed once, against passes that each compute it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from callwright.models import attention
from callwright.train.batch import Plan, flatten, flattened, passes, trunk_length, trunk_pass
from callwright.train.logprobs import Scorer
from callwright.train.loop import Run, singles, train
from callwright.train.objectives.dpo import Dpo
from callwright.train.objectives.sft import Sft
from callwright.train.progress import Progress
from callwright.train.trunk import Trunk
from callwright.types import Rendered
from small_run import SETTINGS
from tiny import ARCHITECTURES, VOCABULARY, tiny

PLAN = Plan(batch_size=9, max_tokens=220, seed=0)


def rows(prefix: int = 90, count: int = 9) -> list[Rendered]:
    """One tool block; the first rows also begin a dialogue alike, and one has a turn that is trained early."""
    rng = random.Random(prefix)
    shared = [rng.randrange(3, VOCABULARY) for _ in range(prefix)]
    dialogue = [rng.randrange(3, VOCABULARY) for _ in range(25)]
    made = []
    for number in range(count):
        own = [rng.randrange(3, VOCABULARY) for _ in range(rng.randint(12, 60))]
        tokens = shared + (dialogue if number < 4 else []) + own
        weights = [0.0] * (len(tokens) - 4) + [1.0, 0.5, 1.0, 2.0]
        if number == 4:
            weights[prefix + 2] = 1.0
        made.append(Rendered(tokens, weights, prefix, f"r{number}"))
    return made


def gradients(model: Any, parts: list[Any], trunk: bool) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    scorer, total = Scorer(model), 0.0
    length = trunk_length(parts, PLAN) if trunk else 0
    begun = Trunk(scorer, trunk_pass(parts[0][0][0], length)) if length else None
    for part in parts:
        batch = flatten(part, trunk=length)
        got = Sft()(scorer, replace(batch, trunk=begun.kv) if begun else batch)
        got.total.backward()
        total += float(got.total.detach())
    if begun is not None:
        begun.backward()
    return total, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_losses_and_gradients_are_those_of_whole_passes(architecture: str) -> None:
    """Within 1e-5, also where a sliding window ends inside the trunk."""
    model = tiny(architecture, max_position_embeddings=512)
    attention.install()
    model.set_attn_implementation(attention.NAME)
    (parts,) = passes(singles(rows()), PLAN)
    assert len(parts) >= 3 and trunk_length(parts, PLAN) == 90
    loss, found = gradients(model, parts, trunk=True)
    expected, want = gradients(model, parts, trunk=False)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert found.keys() == want.keys()
    for name, gradient in want.items():
        error = (found[name] - gradient).norm() / gradient.norm().clamp_min(1e-12)
        assert error < 1e-5, f"{name}: relative error {error:.2e}"


def test_what_a_step_computes_is_its_trunk_once_and_what_is_behind_it() -> None:
    made = rows()
    (parts,) = passes(singles(made), PLAN)
    batches = flattened(parts, PLAN)
    assert [batch.layout.past for batch in batches] == [0, *[90] * len(parts)]
    own = sum(len(row.token_ids) - 90 for row in made)
    # a dialogue's beginning is shared within a pass
    assert own - 3 * 25 <= sum(len(batch.token_ids) for batch in batches[1:]) < own
    whole = flattened(parts, PLAN, trunk=False)
    assert sum(len(b.token_ids) for b in whole) == sum(len(b.token_ids) for b in batches) + 90 * (len(parts) - 1)
    assert sum(len(batch.targets) for batch in batches) == sum(len(batch.targets) for batch in whole)


def test_no_trunk_where_nothing_or_too_little_is_shared() -> None:
    def length(some: list[Rendered], **changes: Any) -> int:
        plan = replace(PLAN, **changes)
        (parts,) = passes(singles(some), plan)
        return trunk_length(parts, plan)

    made = rows()
    assert length(made) == 90
    assert length(made, share_prefixes=False) == 0
    assert length(made, max_tokens=4096) == 0, "one pass shares it anyway"
    assert length(rows(prefix=40)) == 0
    assert length([*made, replace(made[0], token_ids=[9, 9, *made[0].token_ids[2:]])]) == 0
    early = replace(made[0], weights=[0.0] * 70 + [1.0] * (len(made[0].token_ids) - 70))
    assert length([*made, early]) == 69, "the token before a supervised one predicts it"


@pytest.mark.parametrize("changes", [{}, {"checkpointing": True}])
def test_a_run_is_the_same_however_its_steps_are_cut(tmp_path: Path, changes: dict[str, Any]) -> None:
    examples = singles(rows())
    found: list[list[Progress]] = []
    for most in (220, 4096):
        torch.manual_seed(0)
        model, seen = tiny("llama"), list[Progress]()
        settings = replace(SETTINGS, plan=replace(PLAN, max_tokens=most), steps=3, **changes)
        train(model, examples, settings, Run(tmp_path / f"{most}", watch=seen.append))
        found.append(seen)
    assert [one.loss for one in found[0]] == pytest.approx([one.loss for one in found[1]], abs=1e-5)
    tokens = [found[n][0].tokens for n in (0, 1)]
    # checkpointing computes keys twice, so each pass has its own
    assert (tokens[0] - tokens[1] > 90) == bool(changes)


def test_two_models_cannot_share_a_trunk() -> None:
    assert Sft().continues and not Dpo().continues
