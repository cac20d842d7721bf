"""What rewards pay, log-probabilities from trees as TRL wants them, and a run of TRL's trainer on a tiny model."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from callwright.errors import RunError
from callwright.models.load import LoraSettings, add_lora, inner
from callwright.models.tokenizer import load_tokenizer
from callwright.score.reward import rewards
from callwright.score.run import score_row
from callwright.train.grpo import Grpo, Play, Rollout, in_columns, reinforce, tree_of
from callwright.train.logprobs import Scorer
from callwright.train.loop import Run, make_ready
from callwright.types import BrokenCall, Conversation, Ending, Message, Reply, Tool, ToolCall
from small_run import SETTINGS
from tiny import tiny

needs_trl = pytest.mark.skipif(find_spec("trl") is None, reason="TRL (extra 'rl') is not installed")
RING = Tool("ring", "", {"type": "object", "properties": {"n": {"type": "integer"}, "at": {"type": "string"}}})
CALL = ToolCall("ring", {"n": 1, "at": "noon"})


def paid(gold: Message, reply: Reply) -> dict[str, float | None]:
    row = Conversation("r", (RING,), (Message("user", "please"), gold))
    return rewards(score_row(row, reply, ""))


def test_what_a_call_is_paid() -> None:
    gold = Message("assistant", "", (CALL,))
    assert paid(gold, Reply("", (CALL,))) == {"format": 1, "name": 1, "arguments": 1, "abstention": None}
    half = ToolCall("ring", {"n": 2, "at": "noon"})
    assert paid(gold, Reply("", (half,))) == {"format": 1, "name": 1, "arguments": 0.5, "abstention": None}
    unfit = ToolCall("ring", {"n": "one", "at": "noon"})
    assert paid(gold, Reply("", (unfit,)))["format"] == 0
    assert paid(gold, Reply("", (CALL, CALL)))["name"] == 0
    assert paid(gold, Reply("", (), (BrokenCall("{", "cut"),)))["format"] == 0
    assert paid(gold, Reply("", (CALL,), ending=Ending.LENGTH))["format"] == 0


def test_what_restraint_is_paid() -> None:
    gold = Message("assistant", "No tool does that.")
    assert paid(gold, Reply("I cannot.")) == {"format": 1, "name": None, "arguments": None, "abstention": 1}
    assert paid(gold, Reply("", (CALL,)))["abstention"] == 0


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_are_those_of_padded_rows(temperature: float) -> None:
    model = tiny("llama").eval()
    rng = random.Random(0)
    shared = [rng.randrange(3, 90) for _ in range(24)]
    prompts = [shared + [rng.randrange(3, 90) for _ in range(own)] for own in (3, 3, 7, 1)]
    prompts[1] = prompts[0]
    replies = [[rng.randrange(3, 90) for _ in range(length)] for length in (5, 2, 6, 1)]
    wide, long = max(map(len, prompts)), max(map(len, replies))
    rows = list(zip(prompts, replies, strict=True))
    ids = torch.tensor([[0] * (wide - len(p)) + p + r + [0] * (long - len(r)) for p, r in rows])
    mask = torch.tensor([[0] * (wide - len(p)) + [1] * len(p + r) + [0] * (long - len(r)) for p, r in rows])
    want = torch.zeros(len(prompts), long)
    with torch.no_grad():
        for number, (prompt, reply) in enumerate(rows):
            logits = model(torch.tensor([prompt + reply])).logits[0, len(prompt) - 1 : -1] / temperature
            picked = torch.log_softmax(logits, -1).gather(1, torch.tensor(reply)[:, None])
            want[number, : len(reply)] = picked.squeeze(1)
        make_ready(model, checkpointing=False)
        batch = tree_of(ids, mask, long)
        got = in_columns(Scorer(model, temperature)(batch)[0], batch, long)
    assert len(batch.token_ids) < int(mask.sum())
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


def pays_for(token: int) -> tuple[Grpo, Play]:
    def play(numbers: Sequence[int], seed: int) -> list[Rollout]:
        rng = random.Random(seed)
        made = []
        for number in numbers:
            written = [rng.choice((token, token + 1)) for _ in range(3)]
            prompt = [3 + number] * 20
            made.append(Rollout(prompt, written, {"format": written.count(token) / 3, "abstention": None}))
        return made

    return Grpo(6, 4, 1.0, 3, {"format": 1.0, "abstention": 1.0}), play


@needs_trl
def test_what_is_paid_becomes_likelier_and_a_run_goes_on(tmp_path: Path, tiny_model: str) -> None:
    tokenizer = load_tokenizer(tiny_model)
    model = add_lora(tiny("llama"), LoraSettings(r=4, alpha=8), seed=0)
    grpo, play = pays_for(40)
    settings = replace(SETTINGS, plan=replace(SETTINGS.plan, batch_size=8), learning_rate=0.05, steps=4, save_every=2)

    def chance() -> float:
        inner(model).set_attn_implementation("sdpa")
        with torch.no_grad():
            logits = model(torch.tensor([[5] * 20])).logits[0, -1]
        return float(torch.softmax(logits, -1)[40])

    before = chance()
    reinforce(model, tokenizer, play, settings, grpo, Run(tmp_path / "run"))
    assert chance() > 1.2 * before
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert 0 < rows[0]["reward"] < 1 and "reward_abstention" not in rows[0]
    with pytest.raises(RunError, match="holds another run's checkpoints"):
        reinforce(model, tokenizer, play, settings, grpo, Run(tmp_path / "run"))
    reinforce(model, tokenizer, play, replace(settings, steps=6), grpo, Run(tmp_path / "run", resume=True))
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
