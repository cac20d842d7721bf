"""Training on a GPU: an 8B-shaped Llama with random weights, and a pass of the embedded model over real data.

    python benchmarks/gpu.py                  # both; needs a GPU of 48 GiB, 40 GiB of disk, and TRL (extra 'bench')
    python benchmarks/gpu.py --small          # the same steps on a model of a few layers, also on a CPU: does it run?
    python benchmarks/gpu.py --part pass      # the pass alone

LoRA in bfloat16 and QLoRA, on rows of random tokens that share a prefix, as tools are, and have some of their own.
Three sides, each in a process of its own: Callwright, padded batches in a plain PEFT loop, and TRL's packing; the last
two with FlashAttention where it is installed, PyTorch's attention elsewhere. Tokens a second are those of the rows,
shared or not, so that sides compare. MFU: the matrix products that a side's own step needs, over what a large bfloat16
product reaches there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from callwright.cli.console import Terminal
from callwright.models.estimate import How, flops, shape_of
from callwright.models.hardware import detect
from callwright.models.load import LoraSettings, add_lora, load_model
from callwright.models.tokenizer import load_tokenizer
from callwright.pipeline.run import run
from callwright.recipe import make_recipe
from callwright.train.batch import Plan, flatten, passes
from callwright.train.fused import fused
from callwright.train.loop import Run, Settings, singles, train
from callwright.types import Rendered
from common import ROOT, data_folder, write_result

SHAPE = ROOT / "recipes" / "shapes" / "llama-3.1-8b.json"
SMALL = {"num_hidden_layers": 2, "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 8}
LORA = LoraSettings(r=16, alpha=32)
PREFIX, OWN, ANSWER, BATCH = (128, 32, 16, 8) if "--small" in sys.argv else (1024, 64, 32, 32)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
FLASH = "flash_attention_2" if find_spec("flash_attn") else "sdpa"


def make_model(folder: Path, small: bool) -> None:
    """Random weights in bfloat16, with the embedded model's tokenizer, as a folder that every side loads."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(SHAPE))
    for name, value in (SMALL if small else {}).items():
        setattr(config, name, value)
    if small:
        config.head_dim, config.num_key_value_heads = 32, 4
    torch.manual_seed(0)
    with torch.device(DEVICE):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(str(folder))
    load_tokenizer("smollm2-135m").save_pretrained(str(folder))


def rows_of(count: int) -> list[Rendered]:
    rng = random.Random(0)
    shared = [rng.randrange(3, 40_000) for _ in range(PREFIX)]
    made = []
    for number in range(count):
        own = [rng.randrange(3, 40_000) for _ in range(OWN)]
        made.append(Rendered(shared + own, [0.0] * (PREFIX + OWN - ANSWER) + [1.0] * ANSWER, PREFIX, str(number)))
    return made


def loaded(folder: str, method: str) -> Any:
    return add_lora(load_model(folder, detect("bf16"), method), LORA, seed=0)


def products(config: Any, method: str, tokens: int, pairs: float, answers: int) -> float:
    return flops(shape_of(config), tokens, pairs, answers, How(method, LORA.r, tokens))  # type: ignore[arg-type]


def callwright(folder: str, method: str, steps: int) -> dict[str, float]:
    rows = rows_of(BATCH)
    plan = Plan(BATCH, 16_384, seed=0)
    model = loaded(folder, method)
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as out, fused(model):
        settings = Settings(plan, steps + 1, 1e-4, save_every=0)
        train(model, singles(rows), settings, Run(Path(out), watch=lambda progress: seconds.append(progress.seconds)))
    batches = [flatten(some) for some in passes(singles(rows), plan)[0]]
    work = sum(
        products(model.config, method, len(b.token_ids), float((b.layout.positions + 1).sum()), len(b.targets))
        for b in batches
    )
    return {"seconds": sum(seconds[1:]) / steps, "flops": work}


def padded(folder: str, method: str, steps: int) -> dict[str, float]:
    """A batch of 8 rows at a time, as large as an 80 GiB card holds; all rows are equally long."""
    rows = rows_of(BATCH)
    model = loaded(folder, method)
    model.get_base_model().set_attn_implementation(FLASH)
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    times = []
    for _ in range(steps + 1):
        start = clock()
        for low in range(0, BATCH, 8):
            ids = torch.tensor([row.token_ids for row in rows[low : low + 8]], device=DEVICE)
            labels = ids.clone()
            labels[:, : PREFIX + OWN - ANSWER] = -100
            with torch.autocast(DEVICE, torch.bfloat16):
                (model(input_ids=ids, labels=labels).loss / 4).backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(clock() - start)
    length = PREFIX + OWN
    work = products(model.config, method, BATCH * length, BATCH * length * (length + 1) / 2, BATCH * length)
    return {"seconds": sum(times[1:]) / steps, "flops": work}


def packed(folder: str, method: str, steps: int) -> dict[str, float]:
    """TRL's SFTTrainer, rows packed to sequences of 8."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = rows_of(BATCH * (steps + 1))
    model = loaded(folder, method)
    model.get_base_model().set_attn_implementation(FLASH)
    table = [{"input_ids": list(r.token_ids), "completion_mask": [int(w > 0) for w in r.weights]} for r in rows]
    with tempfile.TemporaryDirectory() as out:
        config = SFTConfig(
            output_dir=out,
            per_device_train_batch_size=1,
            gradient_accumulation_steps=BATCH // 8,
            max_length=8 * (PREFIX + OWN),
            packing=True,
            completion_only_loss=True,
            gradient_checkpointing=False,
            max_steps=steps + 1,
            bf16=True,
            use_cpu=DEVICE == "cpu",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model=model, args=config, train_dataset=Dataset.from_list(table), processing_class=load_tokenizer(folder)
        )
        times: list[float] = []
        trainer.add_callback(_clock(times))
        trainer.train()
    length = PREFIX + OWN
    work = products(model.config, method, BATCH * length, BATCH * length * (length + 1) / 2, BATCH * ANSWER)
    return {"seconds": (times[-1] - times[0]) / steps, "flops": work}


def _clock(times: list[float]) -> Any:
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(clock())

    return Clock()


def clock() -> float:
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def fastest() -> float:
    """FLOP/s of a bfloat16 product of 8192 x 8192 matrices (2048 on a CPU), the best of eight."""
    size = 8192 if DEVICE == "cuda" else 2048
    a, b = (torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(8):
        start = clock()
        a @ b
        best = min(best, clock() - start)
    return 2 * size**3 / best


SIDES: dict[str, Callable[[str, str, int], dict[str, float]]] = {
    "callwright": callwright,
    "padded": padded,
    "packed": packed,
}


def side(name: str, folder: str, method: str, steps: int) -> dict[str, Any]:
    """One side in a process of its own."""
    command = [sys.executable, __file__, "--side", name, "--method", method, "--folder", folder, "--steps", str(steps)]
    command += ["--small"] if "--small" in sys.argv else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        found: dict[str, Any] = {"failed": done.stderr.strip().splitlines()[-1:]}
    else:
        found = json.loads(done.stdout.splitlines()[-1])
    print(name, method, found, file=sys.stderr, flush=True)
    return found


def measured(name: str, folder: str, method: str, steps: int) -> dict[str, Any]:
    found = SIDES[name](folder, method, steps)
    rate = found["flops"] / found["seconds"]
    return {
        "rows_per_s": round(BATCH / found["seconds"], 3),
        "tokens_per_s": round(BATCH * (PREFIX + OWN) / found["seconds"]),
        "tflop_per_s": round(rate / 1e12, 2),
        "mfu": round(rate / fastest(), 3),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1) if DEVICE == "cuda" else None,
        "attention": "own" if name == "callwright" else FLASH,
    }


def large(steps: int, small: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), small)
        made = {m: {name: side(name, folder, m, steps) for name in SIDES} for m in ("lora", "qlora")}
    return made


def whole_pass(small: bool) -> dict[str, Any]:
    """The embedded model once over all of the training data; rows of files without a tool set bring their own."""
    files: Sequence[Path] = sorted((data_folder() / "train").glob("*.jsonl*"))
    sources = [{"file": str(file), **({"rows": 20} if small else {})} for file in files]
    with tempfile.TemporaryDirectory() as out:
        recipe = {
            "output": f"{out}/run",
            "dialect": "hermes",
            "data": {"train": sources, "bad_rows": "drop"},
            "train": {"epochs": 1, "batch_size": 32, "learning_rate": 5e-4, "max_length": 4096, "max_tokens": 16_384},
        }
        if small:
            recipe["train"] |= {"steps": 1, "batch_size": 4, "max_length": 1024}  # type: ignore[operator]
        start = time.perf_counter()
        run(make_recipe(recipe, "benchmarks/gpu.py"), Terminal())
        log = (Path(out) / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line) for line in log]
    return {
        "steps": len(steps),
        "rows": sum(step["rows"] for step in steps),
        "flat_tokens": sum(step["tokens"] for step in steps),
        "training_s": steps[-1]["elapsed_s"],
        "all_s": round(time.perf_counter() - start, 1),
        "first_loss": steps[0]["loss"],
        "last_loss": steps[-1]["loss"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["large", "pass", "all"], default="all")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a model of two layers, few and short rows")
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--method", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measured(options.side, options.folder, options.method, options.steps)))
        return
    device = torch.cuda.get_device_name(0) if DEVICE == "cuda" else "CPU"
    result: dict[str, Any] = {
        "device": device,
        "small": options.small,
        "matmul_tflop_per_s": round(fastest() / 1e12, 1),
    }
    if options.part != "pass":
        result["8B"] = large(1 if options.small else options.steps, options.small)
    if options.part != "large":
        result["pass"] = whole_pass(options.small)
    write_result("gpu_small" if options.small else "gpu", result)


if __name__ == "__main__":
    main()
