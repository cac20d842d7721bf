"""Training side by side: Callwright, TRL's trainers and a plain PEFT loop; the same model, tokens, LoRA and precision.

    python benchmarks/train.py                       # all four workloads; about an hour on two cores
    python benchmarks/train.py --workload fixed16

Workloads: one fixed set of 16 tools, one of 48, every row with its own tools (xLAM shape), and preference pairs on
the 16 tools. Each side runs in a process of its own, whose peak memory is measured; TRL at each of several settings on
a few rows, and then, in turns with ours, at the fastest of them. All are given the same token ids (DPO: the same texts)
and the same places with loss. The roofline: the matrix products that a step needs, each counted once, over the time
that it took, against large bfloat16 matrix products between the steps.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from callwright.data.preferences import corrupted
from callwright.dialects import dialect_for
from callwright.dialects.tokenise import render_many
from callwright.models import attention
from callwright.models.estimate import How, flops, shape_of
from callwright.models.hardware import detect
from callwright.models.load import LoraSettings, add_lora, load_model
from callwright.models.tokenizer import load_tokenizer
from callwright.pipeline.rows import training_rows
from callwright.recipe import load_recipe
from callwright.train.batch import Example, MicroBatch, Plan, flatten, flattened, passes
from callwright.train.fused import fused
from callwright.train.logprobs import Scorer
from callwright.train.loop import Run, Settings, singles, train
from callwright.train.objectives.dpo import Dpo
from callwright.train.objectives.sft import Sft
from callwright.train.progress import Progress
from callwright.types import Rendered
from common import data_folder, write_result

MODEL = "smollm2-135m"
LORA = LoraSettings(r=16, alpha=32)
BATCH = {"fixed16": 32, "fixed48": 32, "xlam": 16, "dpo": 16}
# rows that share a prefix are cheaper the more of them a step has; TRL's fastest batch is found by trying
LARGE = 128
MAX_TOKENS = 4096
# what is tried of TRL: `batch` sequences a step, padded, or packed to a length
PADDED = [{"packing": False, "batch": batch} for batch in (1, 4)]
PACKED = {
    "fixed16": [{"packing": True, "batch": 1, "length": length} for length in (1024, 2048)],
    "fixed48": [{"packing": True, "batch": 1, "length": 4096}],
    "xlam": [{"packing": True, "batch": 1, "length": length} for length in (1024, 2048)],
    "dpo": [],
}
Setting = dict[str, Any]


def examples_of(workload: str, count: int) -> list[Example]:
    """The first `count` examples of a workload, as tokens."""
    data = data_folder()
    if workload == "xlam":
        changes = [f"data.train={data}/raw/xlam/xlam_shape.json.gz", f"data.rows={count}"]
        recipe = load_recipe("recipes/xlam_shape.yaml", changes)
    else:
        tools = 48 if workload == "fixed48" else 16
        changes = [f"data.train={data}/train/hwu64.jsonl.gz", f"tools.most_frequent={tools}"]
        recipe = load_recipe("recipes/hwu64_16.yaml", changes)
    tokenizer = load_tokenizer(MODEL)
    dialect = dialect_for(recipe.dialect, tokenizer)
    rows = training_rows(recipe).conversations
    if workload != "dpo":
        return singles(render_many(rows[:count], dialect, tokenizer))
    pairs = [pair for pair, _ in zip(corrupted(rows), range(count), strict=False)]
    made = list(render_many([row for pair in pairs for row in (pair.chosen, pair.rejected)], dialect, tokenizer))
    return list(zip(made[0::2], made[1::2], strict=True))


def ours(examples: Sequence[Example], workload: str, setting: Setting) -> dict[str, Any]:
    """Examples a second over whole optimizer steps, one before the clock starts; and the roofline."""
    size = min(setting.get("batch", BATCH[workload]), len(examples))
    plan = Plan(size, MAX_TOKENS, seed=0)
    model = add_lora(load_model(MODEL, detect()), LORA, seed=0)
    objective = Dpo() if workload == "dpo" else Sft()
    seconds: list[float] = []
    rates: list[float] = []
    steps = 1 + len(examples) // size

    def watch(progress: Progress) -> None:
        seconds.append(progress.seconds)
        rates.append(matmul_rate())

    with tempfile.TemporaryDirectory() as folder, fused(model):
        run = Run(Path(folder), watch=watch, objective=objective)
        train(model, [*examples, *examples[:size]], Settings(plan, steps, 1e-4, save_every=0), run)
    fast = statistics.median(rates)
    batches = flattened(passes(examples[:size], plan)[0], plan, trunk=objective.continues)
    work = sum(arithmetic(model, batch, workload == "dpo") for batch in batches)
    rate = work / (sum(seconds[1:]) / len(seconds[1:]))
    return {
        "examples_per_s": size * len(seconds[1:]) / sum(seconds[1:]),
        "flat_tokens_of_a_step": sum(len(batch.token_ids) for batch in batches),
        "gflop_per_s": round(rate / 1e9),
        "matmul_gflop_per_s": round(fast / 1e9),
        "of_matmul": round(rate / fast, 3),
    }


def matmul_rate() -> float:
    """FLOP/s of a bfloat16 product of 4096 x 4096 matrices, the best of three."""
    a, b = torch.randn(4096, 4096).bfloat16(), torch.randn(4096, 4096).bfloat16()
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * 4096**3 / best


def arithmetic(model: Any, batch: MicroBatch, reference: bool) -> float:
    """The matrix products of one pass, forward and back, as `callwright estimate` counts them, and those of DPO's
    reference: half of them, attention's a third, without an adapter."""
    shape = shape_of(model.config)
    tokens, pairs = len(batch.token_ids), float((batch.layout.positions[batch.layout.past :] + 1).sum())
    made = flops(shape, tokens, pairs, len(batch.targets), How("lora", LORA.r, tokens))
    if reference:
        made += flops(shape, tokens, pairs * 2 / 3, len(batch.targets), How("lora", 0, tokens)) / 2
    return made


def plain(examples: Sequence[Example], workload: str, setting: Setting) -> dict[str, Any]:
    """What one writes by hand: PEFT, padded batches, AdamW. SFT alone."""
    rows = [row for example in examples for row in example]
    model = add_lora(load_model(MODEL, detect()), LORA, seed=0)
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    start = time.perf_counter()
    for low in range(0, len(rows), 4):
        some = rows[low : low + 4]
        width = max(len(row.token_ids) for row in some)
        ids = torch.zeros(len(some), width, dtype=torch.long)
        labels = torch.full((len(some), width), -100)
        mask = torch.zeros(len(some), width, dtype=torch.long)
        for place, row in enumerate(some):
            ids[place, : len(row.token_ids)] = torch.tensor(row.token_ids)
            mask[place, : len(row.token_ids)] = 1
            supervised = torch.tensor(row.weights) > 0
            labels[place, : len(row.token_ids)][supervised] = torch.tensor(row.token_ids)[supervised]
        with torch.autocast("cpu", torch.bfloat16):
            model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return {"examples_per_s": len(rows) / (time.perf_counter() - start)}


def trl_settings(setting: Setting, folder: str) -> dict[str, Any]:
    hardware = detect()
    return {
        "output_dir": folder,
        "per_device_train_batch_size": setting["batch"],
        "gradient_accumulation_steps": 1,
        "num_train_epochs": 1,
        "learning_rate": 1e-4,
        "bf16": hardware.precision == "bf16",
        "use_cpu": hardware.device == "cpu",
        "max_length": setting.get("length", 8192),
        "gradient_checkpointing": False,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "seed": 0,
    }


def sft_trainer(rows: Sequence[Rendered], setting: Setting, folder: str) -> Any:
    """TRL's SFTTrainer on tokenised rows, loss on the same places."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    table = [{"input_ids": list(r.token_ids), "completion_mask": [int(w > 0) for w in r.weights]} for r in rows]
    return SFTTrainer(
        model=load_model(MODEL, detect()),
        args=SFTConfig(**trl_settings(setting, folder), packing=setting["packing"], completion_only_loss=True),
        train_dataset=Dataset.from_list(table),
        processing_class=load_tokenizer(MODEL),
        peft_config=LoraConfig(r=LORA.r, lora_alpha=LORA.alpha, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def dpo_trainer(pairs: Sequence[Example], setting: Setting, folder: str) -> Any:
    """TRL's DPOTrainer on the same texts, its reference the model without the adapter too."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import DPOConfig, DPOTrainer

    tokenizer = load_tokenizer(MODEL)
    table = []
    for pair in pairs:
        place = next(number for number, weight in enumerate(pair[0].weights) if weight)
        right, wrong = (tokenizer.decode(row.token_ids[place:]) for row in pair)
        table.append({"prompt": tokenizer.decode(pair[0].token_ids[:place]), "chosen": right, "rejected": wrong})
    return DPOTrainer(
        model=load_model(MODEL, detect()),
        args=DPOConfig(**trl_settings(setting, folder), beta=0.1),
        train_dataset=Dataset.from_list(table),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=LORA.r, lora_alpha=LORA.alpha, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def theirs(examples: Sequence[Example], workload: str, setting: Setting) -> dict[str, Any]:
    """Examples a second of `trainer.train()` over the examples, once."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for example in examples for row in example]
        made = dpo_trainer(examples, setting, folder) if workload == "dpo" else sft_trainer(rows, setting, folder)
        start = time.perf_counter()
        made.train()
        return {"examples_per_s": len(examples) / (time.perf_counter() - start)}


def losses(examples: Sequence[Example], workload: str, setting: Setting) -> dict[str, Any]:
    """The loss per supervised token that TRL and we compute on the same rows with an untrained adapter, and ours in
    float32."""
    rows = [row for example in examples for row in example]
    with tempfile.TemporaryDirectory() as folder:
        made = sft_trainer(rows, {"packing": False, "batch": 4}, folder)
        peer, tokens = 0.0, 0
        with torch.no_grad(), torch.autocast(made.model.device.type, torch.bfloat16):
            for inputs in made.get_train_dataloader():
                count = int((inputs["labels"] != -100).sum())
                peer += count * float(made.compute_loss(made.model, dict(inputs), num_items_in_batch=None))
                tokens += count
    found = {"trl": round(peer / tokens, 5)}
    attention.install()
    for name, hardware in (("callwright", detect()), ("callwright_float32", replace(detect(), precision="float32"))):
        model = add_lora(load_model(MODEL, hardware), LORA, seed=0)
        model.get_base_model().set_attn_implementation(attention.NAME)
        with torch.no_grad(), fused(model):
            total = float(Sft()(Scorer(model), flatten(examples)).total)
        found[name] = round(total / sum(map(Sft().weight, examples)), 5)
    return found


SIDES: dict[str, Callable[..., dict[str, Any]]] = {"ours": ours, "plain": plain, "theirs": theirs, "losses": losses}


def one_side(side: str, workload: str, count: int, setting: Setting | None = None) -> dict[str, Any]:
    """One side in a process of its own: what it measured, and its peak memory in MiB."""
    command = [sys.executable, __file__, "--side", side, "--workload", workload, "--rows", str(count)]
    command += ["--setting", json.dumps(setting or {})]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{side} {workload}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(side, workload, setting or "", found, file=sys.stderr, flush=True)
    return found


def measure(workload: str, peer_rows: int, our_rows: int, rounds: int) -> dict[str, Any]:
    """One workload: the loss on equal data, every side's speed and memory, and the ratios. Sides take turns, for a
    machine's speed may change within minutes; a ratio is of the means of all rounds."""
    settings = [*PADDED, *PACKED[workload]]
    tried = [{**setting, **one_side("theirs", workload, peer_rows, setting)} for setting in settings]
    best = max(tried, key=lambda found: found["examples_per_s"])
    setting = {key: best[key] for key in ("packing", "batch", "length") if key in best}
    sides: dict[str, tuple[str, int, Setting]] = {
        "trl": ("theirs", peer_rows, setting),
        "callwright": ("ours", our_rows, {}),
    }
    if workload != "dpo":
        sides["plain_peft"] = ("plain", peer_rows, {})
    if workload.startswith("fixed"):
        sides[f"callwright_batch_{LARGE}"] = ("ours", 2 * LARGE, {"batch": LARGE})
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, (side, count, how) in sides.items():
            rows[name].append(one_side(side, workload, count, how))
    own = [name for name in sides if name not in ("trl", "plain_peft")]
    rates = {name: sum(found["examples_per_s"] for found in made) / rounds for name, made in rows.items()}
    result: dict[str, Any] = {"workload": workload, "trl_tried": tried, "trl_best": setting, "rounds": rows}
    result["examples_per_s"] = {name: round(rate, 4) for name, rate in rates.items()}
    result["peak_mib"] = {name: max(found["peak_mib"] for found in made) for name, made in rows.items()}
    result["of_matmul"] = {name: [found["of_matmul"] for found in rows[name]] for name in own}
    result["ratio_to_trl"] = {name: round(rates[name] / rates["trl"], 2) for name in own}
    if workload != "dpo":
        result["ratio_to_plain_peft"] = round(rates["callwright"] / rates["plain_peft"], 2)
        result["loss_on_equal_data"] = one_side("losses", workload, 16)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=[*BATCH, "all"], default="all")
    parser.add_argument("--trl-rows", type=int, default=8)
    parser.add_argument("--our-rows", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--setting", default="{}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(detect().threads)
    if options.side:
        examples = examples_of(options.workload, options.rows)
        found = SIDES[options.side](examples, options.workload, json.loads(options.setting))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        shutil.rmtree("trainer_output", ignore_errors=True)
        print(json.dumps({**found, "peak_mib": round(peak)}))
        return
    names = list(BATCH) if options.workload == "all" else [options.workload]
    write_result("train", [measure(name, options.trl_rows, options.our_rows, options.rounds) for name in names])


if __name__ == "__main__":
    main()
