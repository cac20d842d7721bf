"""What the benchmarks share: where the data is, and how a result is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from callwright.pipeline.rows import fixed_tools, held_out_rows
from callwright.recipe import load_recipe
from callwright.types import Conversation, Tool

ROOT = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """Real data: $CALLWRIGHT_DATA, else ../shared/data beside the project. Exits, saying so, where it is absent."""
    folder = Path(os.environ.get("CALLWRIGHT_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        sys.exit(f"skipped: no data at {folder}; set CALLWRIGHT_DATA")
    return folder


def hwu64_rows(others: float = 0.0) -> tuple[list[Conversation], tuple[Tool, ...]]:
    """All dev rows of recipes/hwu64_16.yaml and its 16 tools. others: so many more rows want none of them, for each."""
    data = data_folder()
    changes = [f"data.train={data}/train/hwu64.jsonl.gz", f"eval.data={data}/dev/hwu64.jsonl.gz", "eval.rows=null"]
    recipe = load_recipe(ROOT / "recipes/hwu64_16.yaml", changes)
    tools = fixed_tools(recipe)
    assert recipe.eval is not None
    return held_out_rows(recipe.eval, tools, others=others), tools


def write_result(name: str, result: object) -> None:
    """Prints the result and keeps it as JSON under runs/benchmarks."""
    text = json.dumps(result, indent=2)
    print(text)
    folder = ROOT / "runs" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


_COMMAND = """
import json, resource, sys
from callwright import cli
try:
    cli.main()
except SystemExit as end:
    code = end.code
peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({"code": code or 0, "peak_mib": round(peaks[0] / 1024), "worker_peak_mib": round(peaks[1] / 1024)}))
"""


def command(words: list[str]) -> dict[str, Any]:
    """One run of the command line: what it printed, its exit code, peak memory of itself and of its largest worker, and
    seconds."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _COMMAND, *words], capture_output=True, text=True, check=True)
    *printed, last = done.stdout.splitlines()
    return {**json.loads(last), "output": "\n".join(printed), "seconds": round(time.perf_counter() - start, 1)}
