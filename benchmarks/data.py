"""Rows a second from a file to tokens with weights: Callwright with every check, against the guides' datasets.map.

    python benchmarks/data.py              # 60,000 rows: the xLAM-shaped file repeated with new ids

Both read the same file and end with token ids. The peer joins strings and calls the tokenizer, row by row and in
batches, in as many processes as there are cores, and its fastest way is the one that counts; it checks nothing.
Ours reads, lints, renders, parses back, tokenises and weights. Peak memory is the operating system's, per process.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import data_folder, write_result


def make_file(target: Path, rows: int) -> None:
    """The xLAM-shaped rows, repeated with new ids, as one JSON array."""
    with gzip.open(data_folder() / "raw/xlam/xlam_shape.json.gz", "rt", encoding="utf-8") as source:
        given = json.load(source)
    with target.open("w", encoding="utf-8") as file:
        for number in range(rows):
            row = {**given[number % len(given)], "id": number}
            file.write(("[" if number == 0 else ",\n") + json.dumps(row, ensure_ascii=False))
        file.write("]")


def ours(path: str) -> dict[str, Any]:
    from callwright.data import read
    from callwright.dialects import dialect_for
    from callwright.models.tokenizer import load_tokenizer
    from callwright.pipeline.check import Checker

    tokenizer = load_tokenizer("smollm2-135m")
    start = time.perf_counter()
    checker = Checker(dialect_for("xlam", tokenizer), tokenizer, 8192)
    tokens = supervised = 0
    for _, _, rendered in checker.check(read(path)):
        if rendered is not None:
            tokens += len(rendered.token_ids)
            supervised += sum(1 for weight in rendered.weights if weight)
    seconds = time.perf_counter() - start
    errors = {"rows_with_errors": checker.report.bad_rows}
    return {"seconds": seconds, "rows": checker.report.rows, "tokens": tokens, "supervised": supervised, **errors}


def _guide(row: dict[str, Any]) -> str:
    tools = "\n".join(json.dumps(tool) for tool in json.loads(row["tools"]))
    calls = "\n".join(json.dumps(call) for call in json.loads(row["answers"]))
    return f"<user>{row['query']}</user>\n\n<tools>{tools}</tools>\n\n<calls>{calls}</calls><|im_end|>"


def theirs(path: str, batched: bool, processes: int) -> dict[str, Any]:
    """The guides' way; reading the file into Arrow is part of it, as reading is of ours."""
    from datasets import disable_caching, load_dataset
    from transformers import AutoTokenizer

    from callwright.models.bundled import bundled_folder

    disable_caching()
    tokenizer = AutoTokenizer.from_pretrained(bundled_folder())

    def one(row: dict[str, Any]) -> dict[str, Any]:
        return {"input_ids": tokenizer(_guide(row))["input_ids"]}

    def many(rows: dict[str, list[Any]]) -> dict[str, Any]:
        texts = [_guide({"query": q, "tools": t, "answers": a}) for q, t, a in
                 zip(rows["query"], rows["tools"], rows["answers"], strict=True)]  # fmt: skip
        return {"input_ids": tokenizer(texts)["input_ids"]}

    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        given = load_dataset("json", data_files=path, split="train", cache_dir=cache)
        made = given.map(
            many if batched else one, batched=batched, num_proc=processes, remove_columns=given.column_names
        )
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "rows": len(made)}


WAYS: dict[str, Any] = {
    "callwright": ours,
    "datasets.map": lambda path: theirs(path, False, 1),
    "datasets.map, all cores": lambda path: theirs(path, False, os.cpu_count() or 1),
    "datasets.map, batched": lambda path: theirs(path, True, 1),
    "datasets.map, batched, all cores": lambda path: theirs(path, True, os.cpu_count() or 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--one", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        way, path = options.one
        result = WAYS[way](path)
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(json.dumps(result | {"peak_mib": round(peak / 1024)}))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        make_file(path, options.rows)
        found = {}
        for way in WAYS:
            # a process each, so that the peaks are apart
            command = [sys.executable, __file__, "--one", way, str(path)]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found[way] = json.loads(printed.strip().splitlines()[-1])
            found[way]["rows_per_s"] = round(found[way]["rows"] / found[way]["seconds"], 1)
            print(f"{way}: {found[way]}", file=sys.stderr, flush=True)
    peers = {way: result for way, result in found.items() if way != "callwright"}
    best = max(peers, key=lambda way: peers[way]["rows_per_s"])
    ratio = round(found["callwright"]["rows_per_s"] / peers[best]["rows_per_s"], 3)
    write_result("data", {"rows": options.rows, **found, "fastest_peer": best, "ratio": ratio})


if __name__ == "__main__":
    main()
