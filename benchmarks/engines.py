"""60,000 rows linted, rendered, converted, deduplicated and verified by each engine: the same results, byte for byte?

    python benchmarks/engines.py [--rows N] [--engine here --engine processes --engine ray] [--output FILE]

The rows are the xLAM-shaped file repeated with new ids, among them rows with findings and many equal ones. `here` is
the local engine with one worker, `processes` with one a core. Seconds are of the wall, starting the workers included.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from callwright.data.convert import Losses, convert
from callwright.data.dedupe import dedupe_file
from callwright.pipeline.lint import Lint, lint_file, render_file
from callwright.scale import Engine, engine_for
from callwright.synth import verify_file
from common import write_result
from data import make_file

ENGINES: dict[str, Callable[[], Engine]] = {
    "here": lambda: engine_for("local", 1),
    "processes": lambda: engine_for("local"),
    "ray": lambda: engine_for("ray"),
}
HOW = Lint("smollm2-135m", "xlam", max_length=8192)


def lint(source: str, folder: Path, engine: Engine) -> dict[str, Any]:
    report, good = lint_file(source, HOW, output=str(folder / "good.jsonl"), engine=engine)
    return {"rows": report.rows, "good": good, "report": of_text(json.dumps(report.to_json())), "file": of_file(folder)}


def render(source: str, folder: Path, engine: Engine) -> dict[str, Any]:
    digest, rows, tokens = hashlib.sha256(), 0, 0
    for row in render_file(source, HOW, engine=engine):
        digest.update(array("l", row.token_ids).tobytes() + array("d", row.weights).tobytes())
        digest.update(f"{row.id} {row.prefix_len}".encode())
        rows, tokens = rows + 1, tokens + len(row.token_ids)
    return {"rows": rows, "tokens": tokens, "digest": digest.hexdigest()[:16]}


def convert_(source: str, folder: Path, engine: Engine) -> dict[str, Any]:
    losses = Losses()
    written = convert(source, str(folder / "openai.jsonl"), "openai", skip_bad=True, losses=losses, engine=engine)
    return {"rows": written, "left out": losses.rows, "losses": of_text(repr(losses)), "file": of_file(folder)}


def dedupe(source: str, folder: Path, engine: Engine) -> dict[str, Any]:
    kept, dropped = dedupe_file(source, str(folder / "few.jsonl"), engine=engine)
    counts = {"kept": kept, "equal": len(dropped.equal), "near": len(dropped.near)}
    return {**counts, "dropped": of_text(repr(dropped)), "file": of_file(folder)}


def verify(source: str, folder: Path, engine: Engine) -> dict[str, Any]:
    done = verify_file(source, output=str(folder / "verified.jsonl"), engine=engine)
    return {
        "rows": done.rows,
        "kept": done.kept,
        "report": of_text(json.dumps(done.to_json())),
        "file": of_file(folder),
    }


def of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def of_file(folder: Path) -> str:
    """The digest of the one file in the folder, which is removed."""
    (path,) = folder.iterdir()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    path.unlink()
    return digest


VERBS = {"lint": lint, "render": render, "convert": convert_, "dedupe": dedupe, "verify": verify}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--engine", action="append", choices=[*ENGINES])
    parser.add_argument("--output", help="write the result to this JSON file too")
    options = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "rows.json", Path(folder) / "made"
        make_file(source, options.rows)
        made.mkdir()
        for verb, run in VERBS.items():
            found[verb] = {"seconds": {}}
            for name in options.engine or ENGINES:
                start = time.perf_counter()
                result = run(str(source), made, ENGINES[name]())
                found[verb]["seconds"][name] = round(time.perf_counter() - start, 1)
                first = found[verb].setdefault("result", result)
                found[verb]["same"] = found[verb].get("same", True) and result == first
                print(verb, name, found[verb]["seconds"][name], result, file=sys.stderr, flush=True)
    write_result("engines", {"rows": options.rows, **found})
    if options.output:
        Path(options.output).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(0 if all(result["same"] for result in found.values()) else 1)


if __name__ == "__main__":
    main()
