"""The loop: schedules, order, accumulation, logs, refusals, and LoRA in one function equal to PEFT's own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.errors import RunError
from callwright.models.load import LoraSettings, add_lora
from callwright.train import checkpoint
from callwright.train.batch import Plan, Schedule, flatten, passes
from callwright.train.loop import Run, rate_at, singles, train, with_steps
from callwright.train.lora import fused_lora
from callwright.train.progress import Progress
from callwright.types import Rendered
from small_run import PLAN, ROWS, SETTINGS
from tiny import VOCABULARY, tiny


def lora(model: Any, seed: int = 1) -> Any:
    return add_lora(model, LoraSettings(r=4), seed)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_schedules() -> None:
    settings_ = replace(SETTINGS, steps=100, learning_rate=1.0, warmup_ratio=0.1)
    for schedule, middle in (("linear", 0.5), ("cosine", 0.5), ("constant", 1.0)):
        made = replace(settings_, schedule=schedule)
        rates = [rate_at(step, made) for step in range(100)]
        assert rates[0] == pytest.approx(0.1)
        assert rates[9] == rates[10] == 1.0
        assert rates[55] == pytest.approx(middle, abs=0.01)
        assert schedule == "constant" or rates[99] < 0.02


def test_steps_from_epochs() -> None:
    assert with_steps(SETTINGS, examples=10, epochs=1).steps == 3
    assert with_steps(SETTINGS, examples=10, epochs=2).steps == 5


def _examples(shapes: list[tuple[int, int]]) -> list[tuple[Rendered, ...]]:
    """Rows of one of four prefixes, 20 tokens long, and of a length."""
    return singles(
        Rendered([kind + 3] * 20 + [9] * (length - 20), [0.0] * (length - 2) + [1.0, 0.5], 20, str(number))
        for number, (kind, length) in enumerate(shapes)
    )


SHAPES = st.lists(st.tuples(st.integers(0, 3), st.integers(22, 60)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.integers(1, 9), st.integers(0, 3), st.integers(0, 2), st.booleans())
def test_every_row_once_an_epoch_in_the_same_order_every_time(
    shapes: list[tuple[int, int]], batch: int, seed: int, epoch: int, share: bool
) -> None:
    examples, plan = _examples(shapes), Plan(batch, 100, seed, share_prefixes=share)
    schedule = Schedule(examples, plan)
    order = schedule.epoch(epoch)
    assert sorted(order) == list(range(len(shapes)))
    assert order == Schedule(examples, plan).epoch(epoch)
    steps = [schedule.step(step) for step in range(len(shapes))]
    assert all(len(chosen) == batch for chosen in steps)
    seen = [number for chosen in steps for number in chosen]
    assert seen[: len(shapes)] == schedule.epoch(0)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.integers(30, 300), st.integers(1, 4))
def test_passes_hold_every_row_within_the_budget(shapes: list[tuple[int, int]], budget: int, processes: int) -> None:
    examples, plan = _examples(shapes), Plan(len(shapes), budget, 0)
    parts = passes(examples, plan, processes)
    assert len({len(part) for part in parts}) == 1, "every process has equally many passes"
    made = [flatten(some) for part in parts for some in part if some]
    assert sorted(name for batch in made for name in batch.names) == sorted(row.id for (row,) in examples)
    assert sum(batch.total_weight for batch in made) == pytest.approx(1.5 * len(shapes))
    longest = max(length for _, length in shapes)
    assert all(len(batch.token_ids) <= max(budget, longest) for batch in made)


def test_the_loss_falls_and_every_step_is_logged(tmp_path: Path) -> None:
    seen: list[Progress] = []
    settings_ = replace(SETTINGS, steps=20)
    state = train(tiny("llama"), ROWS, settings_, Run(tmp_path, watch=seen.append))
    assert (state.step, [p.step for p in seen]) == (20, list(range(1, 21)))
    made = losses(tmp_path)
    assert sum(made[-3:]) < 0.8 * sum(made[:3])
    assert seen[-1].rows == 4
    assert checkpoint.latest(tmp_path / "checkpoints").name == "step-000020"  # type: ignore[union-attr]


def test_how_a_step_is_cut_does_not_change_it(tmp_path: Path) -> None:
    """Pitfall 14: the loss is a mean over the step's weight, never a mean of means."""
    runs = []
    for name, tokens in (("whole", 1000), ("cut", 40)):
        plan = replace(PLAN, max_tokens=tokens)
        model = lora(tiny("llama"))
        train(model, ROWS, replace(SETTINGS, plan=plan, steps=3), Run(tmp_path / name))
        runs.append((losses(tmp_path / name), checkpoint.trained(model)))
    assert runs[0][0] == pytest.approx(runs[1][0], rel=1e-5)
    for name, parameter in runs[0][1].items():
        assert torch.allclose(parameter, runs[1][1][name], atol=2e-4), name


def test_nothing_supervised_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no row has a supervised token"):
        train(lora(tiny("llama")), singles([Rendered([1, 2, 3], [0.0] * 3, 0)]), SETTINGS, Run(tmp_path))


def test_a_started_folder_is_not_overwritten(tmp_path: Path) -> None:
    train(lora(tiny("llama")), ROWS, SETTINGS, Run(tmp_path))
    with pytest.raises(RunError, match="pass --resume"):
        train(lora(tiny("llama")), ROWS, SETTINGS, Run(tmp_path))
    with pytest.raises(RunError, match="another model"):
        train(lora(tiny("llama", hidden_size=16)), ROWS, replace(SETTINGS, steps=9), Run(tmp_path, resume=True))


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    model = lora(tiny("llama"))

    def spoil(progress: Progress) -> None:
        if progress.step == 4:
            with torch.no_grad():
                next(iter(checkpoint.trained(model).values())).fill_(float("nan"))

    with pytest.raises(RunError, match="step 5: the loss is nan; it comes from every row: the weights have run away"):
        train(model, ROWS, replace(SETTINGS, save_every=2), Run(tmp_path, watch=spoil))
    assert checkpoint.latest(tmp_path / "checkpoints").name == "step-000004"  # type: ignore[union-attr]


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "phi3"])
def test_fused_lora_equals_peft(architecture: str) -> None:
    model = lora(tiny(architecture))
    with torch.no_grad():
        for parameter in checkpoint.trained(model).values():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    ids = torch.arange(3, 40)[None] % VOCABULARY
    results = []
    for fused in (False, True):
        model.zero_grad()
        if fused:
            with fused_lora(model) as count:
                assert count > 0
                logits = model(ids).logits
                logits.square().mean().backward()
        else:
            logits = model(ids).logits
            logits.square().mean().backward()
        results.append((logits.detach(), {k: p.grad.clone() for k, p in checkpoint.trained(model).items()}))
    assert torch.allclose(results[0][0], results[1][0], rtol=1e-5, atol=1e-6)
    for name, grad in results[0][1].items():
        assert torch.allclose(grad, results[1][1][name], rtol=1e-4, atol=1e-7), name
    assert "forward" not in vars(next(m for m in model.modules() if hasattr(m, "lora_A")))


def test_dropout_stays_with_peft() -> None:
    model = add_lora(tiny("llama"), LoraSettings(r=4, dropout=0.1), 0)
    with fused_lora(model) as count:
        assert count == 0
