"""What `callwright estimate` says against what training then takes: minutes and memory of three recipes.

    python benchmarks/estimate.py                # about a quarter of an hour on two cores

Each training is a process of its own; the peak is the operating system's, the time that of the steps (metrics.jsonl).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from callwright.models.estimate import GIB
from common import command, data_folder, write_result

RUNS = {
    "LoRA, one set of 16 tools": ("recipes/hwu64_16.yaml", "train/hwu64.jsonl.gz", ["train.steps=20"]),
    "LoRA, every row its own tools": ("recipes/xlam_shape.yaml", "raw/xlam/xlam_shape.json.gz", ["train.steps=6"]),
    "full, one set of 16 tools": (
        "recipes/hwu64_16.yaml",
        "train/hwu64.jsonl.gz",
        ["train.steps=10", "method=full", "train.learning_rate=2e-5"],
    ),
}


def compared(recipe: str, rows: str, changes: list[str]) -> dict[str, Any]:
    """Seconds and GiB, estimated, measured, and the first over the second."""
    changes = [*changes, f"data.train={data_folder() / rows}"]
    with tempfile.TemporaryDirectory() as folder:
        changes.append(f"output={folder}/run")
        said = json.loads(command(["estimate", recipe, *changes, "--json"])["output"])
        done = command(["train", recipe, *changes])
        if done["code"]:
            sys.exit(f"{recipe}: training ended with {done['code']}")
        last = json.loads((Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    seconds, memory = last["elapsed_s"], done["peak_mib"] / 1024
    return {
        "seconds": [round(said["seconds"], 1), seconds, round(said["seconds"] / seconds, 2)],
        "gib": [round(said["total_bytes"] / GIB, 2), round(memory, 2), round(said["total_bytes"] / GIB / memory, 2)],
        "bytes": {name: round(value / GIB, 2) for name, value in said["bytes"].items()},
    }


def main() -> None:
    found = {}
    for name, (recipe, rows, changes) in RUNS.items():
        found[name] = compared(recipe, rows, changes)
        print(name, found[name], file=sys.stderr, flush=True)
    write_result("estimate", found)


if __name__ == "__main__":
    main()
