"""Preference tuning: the loss against its formula row by row, the reference, and what it teaches."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from callwright.errors import RunError
from callwright.models import attention
from callwright.models.load import LoraSettings, add_lora
from callwright.train.batch import Plan, flatten
from callwright.train.logprobs import Scorer
from callwright.train.loop import Run, Settings, train
from callwright.train.lora import fused_lora
from callwright.train.objectives.dpo import Dpo
from callwright.types import Rendered
from tiny import tiny

attention.install()
PROMPT = [3 + n % 40 for n in range(30)]


def pair(number: int) -> tuple[Rendered, Rendered]:
    """One prompt with a right and a wrong answer of unequal length."""
    prompt = [*PROMPT, 50 + number]
    made = []
    for answer in ([60, 61 + number % 3, 2], [60, 70, 71 + number % 5, 72, 2]):
        made.append(Rendered([*prompt, *answer], [0.0] * len(prompt) + [1.0] * len(answer), 30, f"p{number}"))
    return made[0], made[1]


def adapted(seed: int = 1) -> Any:
    model = add_lora(tiny("llama"), LoraSettings(r=4), seed)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.get_base_model().set_attn_implementation(attention.NAME)
    return model


def logprob(model: Any, row: Rendered) -> torch.Tensor:
    """A row's answer, through transformers' own attention and softmax."""
    ids = torch.tensor([row.token_ids])
    logits = torch.log_softmax(model(ids).logits[0, :-1], -1)
    return (logits.gather(1, ids[0, 1:, None])[:, 0] * torch.tensor(row.weights[1:])).sum()


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("sft", [0.0, 0.5])
def test_the_loss_is_that_of_the_paper(fused: bool, sft: float) -> None:
    """float32 against the formula in float64: what rounding does differs between machines."""
    model, pairs = adapted(), [pair(n) for n in range(4)]
    objective = Dpo(beta=0.3, sft=sft, label_smoothing=0.1)
    exact = copy.deepcopy(model).double()
    exact.get_base_model().set_attn_implementation("eager")
    want = torch.zeros((), dtype=torch.float64)
    for chosen, rejected in pairs:
        with torch.no_grad(), exact.disable_adapter():
            base = logprob(exact, chosen) - logprob(exact, rejected)
        right = logprob(exact, chosen)
        margin = 0.3 * (right - logprob(exact, rejected) - base)
        smooth = torch.nn.functional.logsigmoid
        want = want - 0.9 * smooth(margin) - 0.1 * smooth(-margin) - sft * right / 3
    want.backward()
    wanted = {name: p.grad for name, p in exact.named_parameters() if p.grad is not None}
    batch = flatten(pairs)
    assert len(batch.token_ids) < sum(len(row.token_ids) for row in pairs[0]) * 2
    scorer = Scorer(model)
    if fused:
        with fused_lora(model):
            got = objective(scorer, batch)
            got.total.backward()
    else:
        got = objective(scorer, batch)
        got.total.backward()
    assert float(got.total.detach()) == pytest.approx(float(want.detach()), rel=1e-5)
    for name, gradient in wanted.items():
        made = dict(model.named_parameters())[name].grad
        assert (made - gradient).norm() < 4e-5 * gradient.norm() + 1e-7, name


def test_it_learns_to_prefer(tmp_path: Path) -> None:
    settings = Settings(Plan(4, 500, 0), steps=15, learning_rate=0.01, precision="float32", warmup_ratio=0.0)
    model = add_lora(tiny("llama"), LoraSettings(r=4), 1)
    train(model, [pair(n) for n in range(8)], settings, Run(tmp_path, objective=Dpo(beta=0.5)))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert lines[-1]["loss"] < 0.3
    assert lines[-1]["pair_accuracy"] == 1.0
    assert lines[-1]["margin"] > 1


def test_without_an_adapter_there_is_no_reference(tmp_path: Path) -> None:
    settings = Settings(Plan(2, 500, 0), steps=1, learning_rate=0.01, precision="float32")
    with pytest.raises(RunError, match="use 'method: lora' or 'qlora'"):
        train(tiny("llama"), [pair(0)], settings, Run(tmp_path, objective=Dpo()))


def test_a_silent_pass_counts_nothing() -> None:
    scorer = Scorer(adapted())
    got = Dpo()(scorer, flatten([pair(0)]).silent())
    assert float(got.total) == 0.0
    assert replace(got, total=torch.zeros(())).counts["pair_accuracy"] == (0.0, 0.0)
