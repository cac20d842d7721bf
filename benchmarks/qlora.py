"""QLoRA beside LoRA on the CPU: the losses of 50 steps, and the adapter's score on four bits and on the full model.

    python benchmarks/qlora.py --output runs/qlora           # half an hour on two cores; run again, it goes on

The recipe's first steps with each method, the same rows. A QLoRA adapter is then scored three times: as it is served,
merged into what four bits leave of the weights; on the four-bit model that it was trained on; and, as a bare PEFT would
have it, on the model as it was.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from peft import PeftModel

from callwright.cli.console import Terminal
from callwright.models.hardware import detect
from callwright.models.load import load_model
from callwright.pipeline.evaluate import evaluate, open_subject, report
from callwright.pipeline.rows import held_out_rows
from callwright.pipeline.run import run, run_tools
from callwright.recipe import Recipe, load_recipe
from callwright.score.failures import read_report
from callwright.score.stats import compare
from callwright.types import Report
from common import data_folder, write_result

LAST = 10


def recipe_of(method: str, folder: Path, steps: int, rows: int) -> Recipe:
    data = data_folder()
    changes = {
        "method": method,
        "train.steps": steps,
        "output": folder,
        "data.train": data / "train" / "hwu64.jsonl.gz",
        "eval.data": data / "dev" / "hwu64.jsonl.gz",
        "eval.rows": rows,
        "eval.base": "false",
    }
    return load_recipe("recipes/hwu64_16.yaml", [f"{key}={value}" for key, value in changes.items()])


def scored(recipe: Recipe, folder: Path, *, four_bits: bool) -> Report:
    """The adapter unmerged, on the model that it was trained on or on the one in full precision; the run's own rows."""
    assert recipe.eval is not None
    adapter = folder / "adapter"
    base = load_model(recipe.model, detect(), "qlora" if four_bits else "lora")
    subject = replace(
        open_subject(recipe.model, adapter, "auto"), model=PeftModel.from_pretrained(base, str(adapter)).eval()
    )
    rows = held_out_rows(recipe.eval, run_tools(folder), others=recipe.tools.others, plain=True)
    return report(subject, evaluate(subject, rows, recipe.eval), folder / ("four_bits" if four_bits else "as_it_was"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="runs/qlora")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rows", type=int, default=150)
    options = parser.parse_args()
    reports: dict[str, Report] = {}
    found: dict[str, Any] = {"loss": {}}
    for method in ("lora", "qlora"):
        folder = Path(options.output) / method
        recipe = recipe_of(method, folder, options.steps, options.rows)
        watch = Terminal()
        run(recipe, watch)
        watch.close()
        losses = [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
        found["loss"][method] = {"first": losses[0], f"mean of the last {LAST}": round(sum(losses[-LAST:]) / LAST, 4)}
        reports[method] = read_report(folder / "tuned" / "report.json")
    reports["qlora in four bits"] = scored(recipe, folder, four_bits=True)
    reports["qlora on the model as it was"] = scored(recipe, folder, four_bits=False)
    found["exact match"] = {name: made.aggregates["exact_match"] for name, made in reports.items()}
    for name, made in reports.items():
        found[f"qlora less {name}"] = asdict(compare(made, reports["qlora"]))
    write_result("qlora", found)


if __name__ == "__main__":
    main()
