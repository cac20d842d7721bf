"""Rows without a teacher: 5,000 for the example's functions and for 30 tools of Seal-Tools, with what is true of them.

    python benchmarks/synthesis.py --tools ../shared/data/raw/seal_tools/tool.jsonl --output synthesis.json

Every figure is counted again on the finished rows, by other code than made them where there is any: jsonschema-rs for
arguments, the groundedness check on the text that a model will see, coverage over all calls.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from callwright.data.coverage import Coverage
from callwright.data.lint import LintReport, lint
from callwright.data.variety import distinct, self_bleu
from callwright.schema import validate
from callwright.synth import Options, Phrasebook, Plan, Recorder, generate, load_phrasebook
from callwright.synth.ground import unsaid
from callwright.synth.verify import synonyms_of
from callwright.tools import load_tools
from callwright.types import JsonObject, Tool

HOME = Path(__file__).parents[1] / "examples" / "home"
PLAN = {
    "parallel": 0.15,
    "no_call": 0.13,
    "missing": 0.08,
    "clarify": 0.05,
    "nested": 0.02,
    "multi_turn": 0.04,
    "chain": 0.02,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", help="Seal-Tools' tool.jsonl; without it only the example's functions.")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--output", help="Write the figures as JSON.")
    given = parser.parse_args()
    home = load_tools(str(HOME / "tools.py"))
    sets: list[tuple[str, Sequence[Tool], Phrasebook | None]] = [
        ("examples/home with its phrasebook", home, load_phrasebook(HOME / "phrases.yaml", home)),
        ("examples/home without", home, None),
    ]
    if given.tools:
        thirty = random.Random(7).sample(load_tools(given.tools), 30)
        sets.append(("30 tools of Seal-Tools", thirty, None))
    found = {name: measured(tools, book, given.rows) for name, tools, book in sets}
    for name, figures in found.items():
        print(name)
        for key, value in figures.items():
            print(f"  {key:<16} {value}")
    if given.output:
        Path(given.output).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measured(tools: Sequence[Tool], book: Phrasebook | None, count: int) -> JsonObject:
    """Makes the rows, then counts."""
    recorder = Recorder()
    options = Options(Plan.of(PLAN), per_row=(1, 50), rejected=recorder)
    start = time.perf_counter()
    rows = list(generate(tools, book, count, 1, options))
    seconds = time.perf_counter() - start
    synonyms = synonyms_of(book) if book else {}
    calls = [(row, call) for row in rows for message in row.messages for call in message.calls]
    declared = {tool.name: tool for tool in tools}
    valid = sum(not validate(call.arguments, declared[call.name].parameters) for _, call in calls)
    report = LintReport()
    for row in rows:
        report.add(lint(row))
    coverage = Coverage.of(tools, rows)
    requests = [row.messages[0].text for row in rows]
    return {
        "rows": len(rows),
        "seconds": round(seconds, 2),
        "categories": dict(Counter(row.source.partition(":")[2] for row in rows)),
        "calls": len(calls),
        "schema-valid": valid / len(calls),
        "grounded": sum(not any(unsaid(row.messages, declared, synonyms)) for row in rows) / len(rows),
        "lint errors": report.errors,
        "not covered": coverage.gaps(),
        "tools a row": f"{min(len(row.tools) for row in rows)} to {max(len(row.tools) for row in rows)}",
        "distinct-4": round(distinct(requests), 4),
        "self-BLEU": round(self_bleu(requests), 4),
        "rejected": dict(Counter(entry["why"].partition(":")[0] for entry in recorder.rejected)),
    }


if __name__ == "__main__":
    main()
