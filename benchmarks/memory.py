"""Peak memory of `data lint` and `data convert` over 60,000 and 600,000 rows: it must not grow with the rows.

    python benchmarks/memory.py [--rows 60000 600000] [--verb lint] [--workers 1] [--output FILE]

Each run is a process of its own; the peak is the operating system's. The rows are the xLAM-shaped file repeated with
new ids.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import command, write_result
from data import make_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[60_000, 600_000])
    parser.add_argument("--verb", nargs="+", default=["lint", "convert"], choices=["lint", "convert"])
    parser.add_argument("--workers", default="1")
    parser.add_argument("--output", help="write the result to this JSON file too")
    options = parser.parse_args()
    found: dict[str, dict[str, Any]] = {verb: {} for verb in options.verb}
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            source, target = Path(folder) / "rows.json", Path(folder) / "out.jsonl"
            make_file(source, rows)
            words = {
                "lint": [str(source), "--dialect", "xlam", "--json"],
                "convert": [str(source), str(target), "--to", "openai"],
            }
            for verb in options.verb:
                made = command(["data", verb, *words[verb], "--workers", options.workers])
                del made["output"]
                found[verb][str(rows)] = made
                print(verb, rows, found[verb][str(rows)], file=sys.stderr, flush=True)
                target.unlink(missing_ok=True)
    write_result("memory", found)
    if options.output:
        Path(options.output).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
