"""One pass of each step engine: milliseconds for a few more tokens behind a long prompt, and for the prompt itself.

    pip install -e '.[openvino,llama]'
    python benchmarks/steps.py      # about five minutes on two cores

The embedded model. The engines take turns, so that a busy machine slows all of them.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from callwright.generate.llama_cpp import LlamaModel, LlamaSteps
from callwright.generate.openvino_steps import OpenVinoModel, OpenVinoSteps
from callwright.generate.steps import Feed, Steps
from callwright.generate.torch_steps import TorchSteps
from callwright.models.bundled import gguf_file
from callwright.models.hardware import detect
from callwright.models.load import load_model
from common import write_result

TOKENS = (1, 2, 4, 8, 16, 40)
# beyond this many tokens are computed only when they are to be read: nobody decides so many at once
WANTED = 9


def engines() -> dict[str, Callable[[], Steps]]:
    model = load_model("smollm2-135m", detect()).eval()
    int8, full = OpenVinoModel(model), OpenVinoModel(model, "full")
    file = LlamaModel(gguf_file())

    def fused() -> Steps:
        defaults = file.api.llama_context_default_params
        kind = file.api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        file.api.LLAMA_FLASH_ATTN_TYPE_DISABLED = defaults().flash_attn_type
        try:
            return LlamaSteps(file, slots=1, context=4096)
        finally:
            file.api.LLAMA_FLASH_ATTN_TYPE_DISABLED = kind

    return {
        "openvino, int8": lambda: OpenVinoSteps(int8, slots=1, context=4096),
        "openvino, bf16": lambda: OpenVinoSteps(full, slots=1, context=4096),
        "llama.cpp, q4_k_m": lambda: LlamaSteps(file, slots=1, context=4096),
        "llama.cpp, q4_k_m, fused attention": fused,
        "torch": lambda: TorchSteps(model, slots=1),
    }


def timed(steps: Steps, row: int, tokens: list[int], wanted: int) -> float:
    start = time.perf_counter()
    steps.forward([Feed(row, tokens, wanted)])
    return 1000 * (time.perf_counter() - start)


def behind(
    length: int, makers: dict[str, Callable[[], Steps]], tokens: list[int], turns: int
) -> dict[str, dict[Any, float]]:
    """Milliseconds of the prompt, and by how many more tokens a pass has."""
    found: dict[str, dict[Any, float]] = {}
    rows = {}
    for name, make in makers.items():
        steps = make()
        row, _ = steps.open(tokens[: length + 40], 0, 400)
        parts = range(0, length, steps.most)
        found[name] = {
            "prompt": round(sum(timed(steps, row, tokens[at : min(at + steps.most, length)], 1) for at in parts))
        }
        rows[name] = steps, row
    times: dict[tuple[str, int], list[float]] = {}
    for _, (name, (steps, row)), count in itertools.product(range(turns), rows.items(), TOKENS):
        for _ in range(3):
            took = timed(steps, row, tokens[length : length + count], min(count, WANTED))
            steps.cut(row, length)
            times.setdefault((name, count), []).append(took)
    for (name, count), some in times.items():
        found[name][count] = round(statistics.median(some), 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    rng = random.Random(0)
    tokens = [rng.randrange(50, 40_000) for _ in range(3200)]
    found: dict[str, Any] = {}
    makers = engines()
    for length in (644, 3016):
        for name, one in behind(length, makers, tokens, options.turns).items():
            found[f"{name}, behind {length}"] = one
    for name, one in found.items():
        print(f"{name:50}", one, flush=True)
    write_result("steps", found)


if __name__ == "__main__":
    main()
