"""Examples a second in training: Callwright against TRL's SFTTrainer, same model, rows, tokens, LoRA and precision.

    python benchmarks/train.py                     # both workloads; about 15 minutes on two cores
    python benchmarks/train.py --workload fixed

TRL runs at each of several settings on a few rows, and then, at the fastest of them, on more; packing is on in all
but one, checkpointing off in all. Both sides are given the same token ids and the same places with loss.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from callwright.dialects import dialect_for
from callwright.dialects.tokenise import render_many
from callwright.models import attention
from callwright.models.hardware import detect
from callwright.models.load import LoraSettings, add_lora, load_model
from callwright.models.tokenizer import load_tokenizer
from callwright.pipeline.rows import training_rows
from callwright.recipe import Recipe, load_recipe
from callwright.train.batch import Plan, flatten, micro_batches, prefix_keys
from callwright.train.loop import Run, Settings, train
from callwright.train.lora import fused_lora
from callwright.train.objectives import sft
from callwright.types import Rendered
from common import data_folder, write_result

MODEL = "smollm2-135m"
LORA = LoraSettings(r=16, alpha=32)
# TRL's settings that are tried: packed to a length, or padded; `batch` sequences a step
CANDIDATES: list[dict[str, Any]] = [
    {"packing": True, "max_length": 1024, "batch": 1},
    {"packing": True, "max_length": 1024, "batch": 4},
    {"packing": True, "max_length": 2048, "batch": 1},
    {"packing": False, "max_length": 4096, "batch": 4},
]


def rows_of(workload: str, count: int) -> tuple[list[Rendered], Recipe]:
    """The first `count` rows of a recipe, as tokens."""
    data = data_folder()
    if workload == "fixed":
        recipe = load_recipe("recipes/hwu64_16.yaml", [f"data.train={data}/train/hwu64.jsonl.gz"])
    else:
        recipe = load_recipe(
            "recipes/xlam_shape.yaml", [f"data.train={data}/raw/xlam/xlam_shape.json.gz", f"data.rows={count}"]
        )
    tokenizer = load_tokenizer(MODEL)
    rows = training_rows(recipe).conversations[:count]
    return list(render_many(rows, dialect_for(recipe.dialect, tokenizer), tokenizer)), recipe


def ours(rows: Sequence[Rendered], batch_size: int, max_tokens: int) -> float:
    """Examples a second over whole optimizer steps; one step before the clock starts."""
    settings = Settings(Plan(batch_size, max_tokens, seed=0), max(1, len(rows) // batch_size), 1e-4, save_every=0)
    model = add_lora(load_model(MODEL, detect()), LORA, seed=0)
    seconds: list[float] = []
    folder = tempfile.mkdtemp()
    with fused_lora(model):
        for name, part in (("warm", rows[: batch_size // 4]), ("run", rows)):
            steps = settings if name == "run" else Settings(Plan(batch_size // 4, max_tokens, 0), 1, 1e-4)
            target = Path(folder) / name
            target.mkdir()
            seconds.clear()
            train(model, part, steps, Run(target, watch=lambda progress: seconds.append(progress.seconds)))
    shutil.rmtree(folder)
    return batch_size * len(seconds) / sum(seconds)


def dataset(rows: Sequence[Rendered]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(
        [{"input_ids": list(r.token_ids), "completion_mask": [int(w > 0) for w in r.weights]} for r in rows]
    )


def trainer(rows: Sequence[Rendered], setting: dict[str, Any], folder: str) -> Any:
    """TRL's SFTTrainer on tokenised rows, loss on the same places."""
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    hardware = detect()
    config = SFTConfig(
        output_dir=folder,
        per_device_train_batch_size=setting["batch"],
        gradient_accumulation_steps=1,
        num_train_epochs=1,
        learning_rate=1e-4,
        bf16=hardware.precision == "bf16",
        use_cpu=hardware.device == "cpu",
        packing=setting["packing"],
        max_length=setting["max_length"],
        completion_only_loss=True,
        gradient_checkpointing=False,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_num_workers=0,
        seed=0,
    )
    lora = LoraConfig(r=LORA.r, lora_alpha=LORA.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    tokenizer = load_tokenizer(MODEL)
    return SFTTrainer(
        model=load_model(MODEL, hardware),
        args=config,
        train_dataset=dataset(rows),
        processing_class=tokenizer,
        peft_config=lora,
    )


def theirs(rows: Sequence[Rendered], setting: dict[str, Any]) -> float:
    """Examples a second of `trainer.train()` over the rows, once."""
    with tempfile.TemporaryDirectory() as folder:
        made = trainer(rows, setting, folder)
        start = time.perf_counter()
        made.train()
        return len(rows) / (time.perf_counter() - start)


def losses(rows: Sequence[Rendered]) -> dict[str, float]:
    """The loss per supervised token that each side computes on the same rows with an untrained adapter."""
    with tempfile.TemporaryDirectory() as folder:
        made = trainer(rows, {"packing": False, "max_length": 8192, "batch": len(rows)}, folder)
        inputs = next(iter(made.get_train_dataloader()))
        with torch.no_grad(), torch.autocast(made.model.device.type, torch.bfloat16):
            peer = float(made.compute_loss(made.model, dict(inputs), num_items_in_batch=None))
    attention.install()
    model = add_lora(load_model(MODEL, detect()), LORA, seed=0)
    model.get_base_model().set_attn_implementation(attention.NAME)
    plan = Plan(len(rows), 8192, 0)
    total = weight = 0.0
    with torch.no_grad(), fused_lora(model):
        for batch in micro_batches(rows, prefix_keys(rows, plan), plan):
            got = sft.loss(model, batch)
            total, weight = total + float(got.total), weight + got.weight
    return {"trl": round(peer, 5), "callwright": round(total / weight, 5)}


def measure(workload: str, trl_rows: int, our_rows: int) -> dict[str, Any]:
    """One workload: the loss on equal data, TRL's best setting, both speeds and their ratio."""
    rows, recipe = rows_of(workload, our_rows)
    batch = flatten([rows[:32]]) if workload == "fixed" else flatten([[row] for row in rows[:4]])
    tried = [{**setting, "examples_per_s": round(theirs(rows[: trl_rows // 2], setting), 3)} for setting in CANDIDATES]
    best = max(tried, key=lambda setting: setting["examples_per_s"])
    setting = {key: best[key] for key in ("packing", "max_length", "batch")}
    peer = max(best["examples_per_s"], theirs(rows[:trl_rows], setting))
    mine = ours(rows, recipe.train.batch_size, recipe.train.max_tokens)
    return {
        "workload": workload,
        "tokens_per_row": round(sum(len(row.token_ids) for row in rows) / len(rows), 1),
        "prefix_tokens": rows[0].prefix_len,
        "flat_tokens_of_a_batch": len(batch.token_ids),
        "loss_on_equal_data": losses(rows[:4]),
        "trl_tried": tried,
        "trl_examples_per_s": round(peer, 3),
        "callwright_examples_per_s": round(mine, 3),
        "ratio": round(mine / peer, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=["fixed", "xlam", "both"], default="both")
    parser.add_argument("--trl-rows", type=int, default=16)
    parser.add_argument("--our-rows", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(detect().threads)
    names = ["fixed", "xlam"] if options.workload == "both" else [options.workload]
    write_result("train", [measure(name, options.trl_rows, options.our_rows) for name in names])


if __name__ == "__main__":
    main()
