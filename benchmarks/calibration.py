"""How far the probabilities of calls can be trusted: `callwright calibrate` on hwu64's dev rows to its 16 tools.

    pip install -e '.[openvino]'
    python benchmarks/calibration.py --adapter runs/hwu64_16/adapter      # about two minutes on two cores

A tenth of the rows is beside the tools and wants no call. Each tenth of the rows is measured by a fit to the others.
The diagram, before and after, is written to runs/benchmarks/reliability.svg. Dev rows are what the recipe reports on
too: who reports a score needs others for it.
"""

from __future__ import annotations

import argparse
import json

from callwright.data.openai import to_row
from common import ROOT, command, hwu64_rows, write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", required=True)
    options = parser.parse_args()
    rows, _ = hwu64_rows(others=0.1)
    folder = ROOT / "runs" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    asked = folder / "calibration.jsonl"
    asked.write_text("".join(json.dumps(to_row(row)) + "\n" for row in rows), encoding="utf-8")
    words = ["calibrate", "smollm2-135m", "--adapter", options.adapter, "--data", str(asked), "--json"]
    words += ["--output", str(folder / "calibration-fitted.json"), "--svg", str(folder / "reliability.svg")]
    done = command(words)
    write_result("calibration", {"rows": len(rows), **json.loads(done["output"])})


if __name__ == "__main__":
    main()
