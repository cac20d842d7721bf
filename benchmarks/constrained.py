"""Exact match with replies held to the tools' schemas, and without: is a grammar ever in the way?

    pip install -e '.[openvino]'
    python benchmarks/constrained.py --adapter runs/hwu64_16/adapter [--rows 200]      # about ten minutes on two cores

All dev rows of recipes/hwu64_16.yaml with its 16 tools, a tenth more that want none of them, and dev rows of Seal-Tools
with the tools of each row, which the adapter was not trained on. Greedy, by the engine that serves. Of the rows that
differ, how many each side has right, and the two-sided p of McNemar's exact test.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from math import comb
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from callwright.data import conversations
from callwright.pipeline.serving import Wanted, served_scorer
from callwright.recipe import Eval
from callwright.score.run import EXACT, PARSE_FAILURE, SCHEMA, RowScore, build_report
from common import data_folder, hwu64_rows, write_result


def shares(scores: Sequence[RowScore]) -> dict[str, Any]:
    made = build_report("", scores).aggregates
    return {metric: made[metric] for metric in (EXACT, SCHEMA, PARSE_FAILURE)}


def paired(free: Sequence[RowScore], held: Sequence[RowScore]) -> dict[str, Any]:
    right = [(value(one), value(two)) for one, two in zip(free, held, strict=True)]
    lost, won = right.count((1, 0)), right.count((0, 1))
    tail = sum(comb(lost + won, least) for least in range(min(lost, won) + 1)) / 2 ** (lost + won)
    return {"only free right": lost, "only constrained right": won, "p": min(1.0, 2 * tail)}


def value(score: RowScore) -> float:
    return score.verdict(EXACT).value or 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", required=True, help="an adapter that recipes/hwu64_16.yaml trained")
    parser.add_argument("--rows", type=int, default=200, help="of Seal-Tools")
    parser.add_argument("--engine", choices=("openvino", "llama.cpp", "torch"), default="openvino")
    options = parser.parse_args()
    score = served_scorer(Wanted("smollm2-135m", (options.adapter,), engine=options.engine))
    seal = list(conversations(str(data_folder() / "dev/seal_tools.jsonl.gz")))[: options.rows]
    table = {}
    for name, rows in (("hwu64_16", hwu64_rows(others=0.1)[0]), ("seal_tools", seal)):
        free, held = (
            score(rows, Eval(data=name, max_new_tokens=256, constrain=constrain), lambda done: None)
            for constrain in (False, True)
        )
        table[name] = {
            "rows": len(rows),
            "free": shares(free),
            "constrained": shares(held),
            **paired(free, held),
            "lost": [one.id for one, two in zip(free, held, strict=True) if value(one) > value(two)],
        }
    write_result("constrained", {"engine": options.engine, **table})


if __name__ == "__main__":
    main()
