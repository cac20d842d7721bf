"""Peak memory of `data lint` and `data convert` over 60,000 and 600,000 rows: it must not grow with the rows.

    python benchmarks/memory.py [--rows 60000 600000] [--verb lint] [--workers 1] [--output FILE]

Each run is a process of its own; the peak is the operating system's. The rows are the xLAM-shaped file repeated with
new ids.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import write_result
from data import make_file

_RUN = """
import json, resource, sys
from callwright import cli
try:
    cli.main()
except SystemExit as end:
    code = end.code
peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({"code": code or 0, "peak_mib": round(peaks[0] / 1024), "worker_peak_mib": round(peaks[1] / 1024)}))
"""


def measured(words: list[str]) -> dict[str, Any]:
    """One run of the command line: its exit code, peak memory of itself and of its largest worker, and seconds."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _RUN, *words], capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": round(time.perf_counter() - start, 1)}


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
                found[verb][str(rows)] = measured(["data", verb, *words[verb], "--workers", options.workers])
                print(verb, rows, found[verb][str(rows)], file=sys.stderr, flush=True)
                target.unlink(missing_ok=True)
    write_result("memory", found)
    if options.output:
        Path(options.output).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
