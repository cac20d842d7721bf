"""What the benchmarks share: where the data is, and how a result is written."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """Real data: $CALLWRIGHT_DATA, else ../shared/data beside the project. Exits, saying so, where it is absent."""
    folder = Path(os.environ.get("CALLWRIGHT_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        sys.exit(f"skipped: no data at {folder}; set CALLWRIGHT_DATA")
    return folder


def write_result(name: str, result: object) -> None:
    """Prints the result and keeps it as JSON under runs/benchmarks."""
    text = json.dumps(result, indent=2)
    print(text)
    folder = ROOT / "runs" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
