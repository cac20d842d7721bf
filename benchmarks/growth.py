"""Seconds a batch against what is in it: prefixes of 250, 1,000 and 4,000 tokens, 8 to 128 rows of 48 tokens each.

    python benchmarks/growth.py [--svg docs/growth.svg]      # about ten minutes on two cores

A batch that shared nothing would grow with rows times prefix; this should grow with the tokens that are different.
Random tokens, the embedded model, LoRA, one forward and backward pass of Callwright; the best of three.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from callwright.models import attention
from callwright.models.hardware import detect
from callwright.models.load import LoraSettings, add_lora, load_model
from callwright.report.plots import as_svg
from callwright.train.batch import MicroBatch, flatten
from callwright.train.fused import fused
from callwright.train.logprobs import Scorer
from callwright.train.loop import singles
from callwright.train.objectives.sft import Sft
from callwright.types import Rendered
from common import write_result

PREFIXES = (250, 1000, 4000)
ROWS = (8, 16, 32, 64, 128)
OWN, ANSWER = 48, 24


def batch_of(prefix: int, rows: int) -> MicroBatch:
    rng = random.Random(prefix * rows)
    shared = [rng.randrange(3, 40_000) for _ in range(prefix)]
    weights = [0.0] * (prefix + OWN - ANSWER) + [1.0] * ANSWER
    own = [[rng.randrange(3, 40_000) for _ in range(OWN)] for _ in range(rows)]
    return flatten(singles(Rendered(shared + tokens, weights, prefix, str(n)) for n, tokens in enumerate(own)))


def seconds(scorer: Any, batch: MicroBatch) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            made = Sft()(scorer, batch)
        made.total.backward()
        best = min(best, time.perf_counter() - start)
    return best


def draw(found: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for prefix in PREFIXES:
        some = [one for one in found if one["prefix"] == prefix]
        axes.plot(
            [one["unique_tokens"] for one in some], [one["seconds"] for one in some], "o-", label=f"prefix {prefix:,}"
        )
    axes.set_xlabel("different tokens in the batch")
    axes.set_ylabel("seconds, forward and backward")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    path.write_text(as_svg(figure, "callwright"), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--svg", type=Path, help="draw the figures to this file")
    options = parser.parse_args()
    torch.set_num_threads(detect().threads)
    attention.install()
    model = add_lora(load_model("smollm2-135m", detect()), LoraSettings(r=16, alpha=32), seed=0)
    model.get_base_model().set_attn_implementation(attention.NAME)
    model.train()
    scorer, found = Scorer(model), []
    with fused(model):
        for prefix in PREFIXES:
            for rows in ROWS:
                batch = batch_of(prefix, rows)
                took, tokens = seconds(scorer, batch), len(batch.token_ids)
                one = {"prefix": prefix, "rows": rows, "unique_tokens": tokens, "padded_tokens": rows * (prefix + OWN)}
                found.append({**one, "seconds": round(took, 2), "ms_per_unique_token": round(1000 * took / tokens, 2)})
                print(found[-1], flush=True)
    if options.svg:
        draw(found, options.svg)
    write_result("growth", found)


if __name__ == "__main__":
    main()
