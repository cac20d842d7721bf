"""The few tools of Seal-Tools' 4,076 that a request needs: how many are found, and what that does to the calls.

    python benchmarks/retrieval.py                                        # recall alone: a minute
    python benchmarks/retrieval.py --adapter runs/mix/adapter --rows 60   # and exact match: an hour on two cores

Recall@k of the gold tools over all dev rows, by BM25 over the tools' words, and with the requests of the training rows
as examples. With an adapter, the same rows with the k tools found, and with lists of 50 that hold the gold ones: those
that a long list would have, at random.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from callwright.agent.retrieve import Retriever, recall
from callwright.data import conversations
from callwright.data.similar import request_text
from callwright.pipeline.serving import Wanted, served_scorer
from callwright.recipe import Eval
from callwright.score.run import EXACT, NAMES, build_report
from callwright.tools import load_tools
from callwright.types import Conversation, Tool
from common import data_folder, write_result


def gold_names(row: Conversation) -> list[str]:
    return [call.name for message in row.messages for call in message.calls]


def recalls(index: Retriever, rows: Sequence[Conversation]) -> dict[str, float]:
    needed = [gold_names(row) for row in rows]
    found = [[index.tools[place].name for place in index.ranked(request_text(row), 20)] for row in rows]
    return {
        **{f"recall@{k}": round(recall([names[:k] for names in found], needed), 4) for k in (1, 5, 10, 20)},
        "all gold tools in 10": round(
            sum(set(due) <= set(names[:10]) for names, due in zip(found, needed, strict=True)) / len(rows), 4
        ),
    }


def long_list(row: Conversation, tools: Sequence[Tool], count: int) -> Conversation:
    rng = random.Random(row.id)
    gold = [tool for tool in tools if tool.name in gold_names(row)]
    others = rng.sample([tool for tool in tools if tool not in gold], count - len(gold))
    return replace(row, tools=tuple(rng.sample([*gold, *others], count)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter")
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--engine", choices=("openvino", "llama.cpp", "torch"), default="openvino")
    options = parser.parse_args()
    data = data_folder()
    tools = load_tools(str(data / "raw/seal_tools/tool.jsonl"))
    known = {tool.name for tool in tools}
    rows = [
        row
        for row in conversations(str(data / "dev/seal_tools.jsonl.gz"))
        if gold_names(row) and set(gold_names(row)) <= known
    ]
    examples: dict[str, list[str]] = {}
    for row in conversations(str(data / "train/seal_tools.jsonl.gz")):
        for name in set(gold_names(row)):
            examples.setdefault(name, []).append(request_text(row))
    words = Retriever(tools)
    result: dict[str, Any] = {
        "tools": len(tools),
        "rows": len(rows),
        "words": recalls(words, rows),
        "words and examples": recalls(Retriever(tools, examples), rows),
    }
    if options.adapter:
        chosen = random.Random(1).sample(rows, options.rows)
        score = served_scorer(Wanted("smollm2-135m", (options.adapter,), context=12288, engine=options.engine))
        for name, given in (
            ("10 retrieved", [replace(row, tools=words.choose(request_text(row), 10)) for row in chosen]),
            ("50 with the gold ones", [long_list(row, tools, 50) for row in chosen]),
        ):
            scores = score(given, Eval(data=name, max_new_tokens=192, constrain=True), lambda done: None)
            made = build_report("", scores).aggregates
            result[name] = {"rows": len(given), EXACT: made[EXACT], NAMES: made[NAMES]}
    write_result("retrieval", result)


if __name__ == "__main__":
    main()
