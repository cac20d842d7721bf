"""What augmentation teaches: one table of the base model and two trainings on the same rows, without and with it.

    callwright train recipes/augmentation.yaml output=runs/augment_on
    callwright train recipes/augmentation.yaml output=runs/augment_off data.augment=null
    python benchmarks/augmentation.py [--rows N] [--off RUN] [--on RUN] [--no-base] [--output FILE]

Three slices of dev rows, none of them trained on: `withheld` (the needed tool is not there: a refusal is due),
`missing` (a required value is cut out of the request: a question is due) and `ordinary` (calls are due: restraint must
not be bought with them).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from callwright.data import conversations
from callwright.data.augment import augmented
from callwright.pipeline.evaluate import evaluate, open_subject
from callwright.pipeline.rows import described
from callwright.recipe import Eval
from callwright.score.run import aggregate
from callwright.types import Conversation
from common import data_folder, write_result

ORDINARY = ("hwu64", "snips")
SHOWN = {
    "withheld": ("abstained_when_due",),
    "missing": ("abstained_when_due", "asked_when_missing"),
    "ordinary": ("called_when_due", "name_accuracy", "exact_match", "parse_failure"),
}


def slices(dev: Path, count: int, seed: int) -> dict[str, list[Conversation]]:
    """The rows to score, at most `count` a slice, tools described as in training."""
    sources = {name: list(conversations(dev / f"{name}.jsonl.gz")) for name in (*ORDINARY, "withheld_nocall")}
    every = [row for name in ORDINARY for row in sources[name]]
    missing, _ = augmented(every, ["drop_value"], 1, random.Random(seed))
    share = -(-count // len(ORDINARY))
    ordinary = [row for name in ORDINARY for row in _some(sources[name], share, seed)]
    rows = {"withheld": sources["withheld_nocall"], "missing": missing, "ordinary": ordinary[:count]}
    return {name: [described(row) for row in _some(found, count, seed)] for name, found in rows.items()}


def _some(rows: Sequence[Conversation], count: int, seed: int) -> list[Conversation]:
    return random.Random(seed).sample(rows, min(count, len(rows)))


def coverage(rows: dict[str, list[Conversation]], trained: Path) -> dict[str, Any]:
    """Of each slice: its rows, its tools, and how many of these the training rows show."""
    shown = {tool.name for row in conversations(trained) for tool in row.tools} if trained.is_file() else set()
    found = {}
    for name, chosen in rows.items():
        tools = {tool.name for row in chosen for tool in row.tools}
        found[name] = {"rows": len(chosen), "tools": len(tools), "tools_in_training": len(tools & shown)}
    return found


def scores(model: str, adapter: Path | None, dialect: str, rows: dict[str, list[Conversation]]) -> dict[str, Any]:
    """Every shown metric of a model on every slice."""
    subject = open_subject(model, adapter, dialect)
    settings = Eval(data="dev", max_new_tokens=256)
    result = {}
    for name, chosen in rows.items():
        made = aggregate(evaluate(subject, chosen, settings))
        result[name] = {metric: made[metric] for metric in SHOWN[name]}
        print(adapter or model, name, {key: cell["value"] for key, cell in result[name].items()}, file=sys.stderr)
    return result


def table(results: dict[str, Any]) -> str:
    """Markdown: a line a slice and metric, a column a model."""
    lines = [f"| slice | metric | n | {' | '.join(results)} |", f"|---|---|---|{'---|' * len(results)}"]
    for name, metrics in SHOWN.items():
        for metric in metrics:
            cells = [made[name][metric] for made in results.values()]
            most = max(cell["n"] for cell in cells)
            lines.append(f"| {name} | {metric} | {most} | {' | '.join(map(_shown, cells))} |")
    return "\n".join(lines)


def _shown(cell: dict[str, Any]) -> str:
    return f"{cell['value']:.1%} [{100 * cell['low']:.1f}, {100 * cell['high']:.1f}]" if cell["n"] else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=150, help="at most so many rows a slice")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other dev rows")
    parser.add_argument("--off", type=Path, default=Path("runs/augment_off"), help="the run without augmentation")
    parser.add_argument("--on", type=Path, default=Path("runs/augment_on"), help="the run with it")
    parser.add_argument("--no-base", action="store_true", help="leave the untuned model out")
    parser.add_argument("--output", type=Path, help="write the result there too, as JSON")
    options = parser.parse_args()
    recipe = json.loads((options.on / "recipe.json").read_text(encoding="utf-8"))
    rows = slices(data_folder() / "dev", options.rows, options.seed)
    subjects = {} if options.no_base else {"base": None}
    subjects |= {"without": options.off / "adapter", "with": options.on / "adapter"}
    results = {name: scores(recipe["model"], path, recipe["dialect"], rows) for name, path in subjects.items()}
    result = {"slices": coverage(rows, options.off / "data" / "train.jsonl"), "scores": results}
    write_result("augmentation", result)
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
