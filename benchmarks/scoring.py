"""Rows scored per second, in one process: verdicts alone, and with the report that they end in.

    python benchmarks/scoring.py [--rows N] [--rounds N] [--profile]

Rows are those of the dev files, again and again until there are enough. Replies are parsed from what a model could have
written, before the clock starts: some exact, the others with a value changed, an argument left out, another name,
words in place of a call, or a call that never closes. Seconds are processor time; the median of the rounds.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import pstats
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from callwright.data import conversations
from callwright.dialects.base import Dialect, text_of
from callwright.dialects.hermes import hermes
from callwright.score.run import RowScore, build_report, failures_of, score_row
from callwright.types import Conversation, Message, Reply, ToolCall
from common import data_folder, write_result

FILES = ("hwu64", "snips", "sgd", "seal_tools", "composed_parallel", "withheld_nocall")
Asked = tuple[Conversation, Reply, str]


def gold_rows(folder: Path) -> list[Conversation]:
    """The rows of every dev file that end with an assistant's turn, one of each file in turn."""
    files = [
        [row for row in conversations(folder / "dev" / f"{name}.jsonl.gz") if row.messages[-1].role == "assistant"]
        for name in FILES
    ]
    return [row for rows in itertools.zip_longest(*files) for row in rows if row is not None]


def raw_text(message: Message, dialect: Dialect) -> str:
    return text_of(dialect.family.write(message))


def written(row: Conversation, dialect: Dialect, rng: random.Random) -> str:
    """What a model that is right four times of ten writes."""
    gold = row.messages[-1]
    if not gold.calls or rng.random() < 0.4:
        return raw_text(gold, dialect)
    first, *rest = gold.calls
    kind = rng.choice(("value", "left out", "name", "text", "unclosed"))
    if kind == "text":
        return "I will do that for you."
    if kind == "unclosed":
        return raw_text(gold, dialect)[: rng.randint(20, 60)]
    arguments = dict(first.arguments)
    if arguments and kind != "name":
        key = rng.choice(sorted(arguments))
        arguments.pop(key)
        if kind == "value":
            arguments[key] = "something else"
    name = rng.choice(row.tools).name if kind == "name" and row.tools else first.name
    return raw_text(replace(gold, calls=(ToolCall(name, arguments), *rest)), dialect)


def replies(count: int, folder: Path, seed: int = 0) -> Iterator[Asked]:
    """Rows with replies and their raw text, the same in every run."""
    rng, dialect = random.Random(seed), hermes()
    for number, row in enumerate(itertools.islice(itertools.cycle(gold_rows(folder)), count)):
        text = written(row, dialect, rng)
        yield replace(row, id=f"{row.id}-{number}"), dialect.parse(text, row.tools), text


def score_all(asked: list[Asked]) -> list[RowScore]:
    return [score_row(row, reply, raw) for row, reply, raw in asked]


def measured(asked: list[Asked], rounds: int) -> dict[str, float]:
    """Rows per second, and the exact match that they ended with."""
    scoring, reporting, exact = [], [], 0.0
    for _ in range(rounds):
        start = time.process_time()
        scores = score_all(asked)
        between = time.process_time()
        exact = build_report("benchmark", scores).aggregates["exact_match"]["value"]
        failures_of(scores)
        scoring.append(between - start)
        reporting.append(time.process_time() - start)
    return {
        "rows": len(asked),
        "exact_match": round(exact, 4),
        "rows_per_second": round(len(asked) / median(scoring)),
        "rows_per_second_with_report": round(len(asked) / median(reporting)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    options = parser.parse_args()
    asked = list(replies(options.rows, data_folder()))
    if options.profile:
        with cProfile.Profile() as profile:
            build_report("profile", score_all(asked))
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    calling = [one for one in asked if one[0].messages[-1].calls]
    result = {"rounds": options.rounds, "all": measured(asked, options.rounds)}
    result["rows_that_call"] = measured(calling, options.rounds)
    write_result("scoring", result)


if __name__ == "__main__":
    main()
