"""Folders as `callwright run` and `callwright eval --output` leave them, of rows that a test scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from callwright.dialects.hermes import hermes
from callwright.score.run import RowScore, build_report, failures_of, score_row, write_report
from callwright.types import Conversation, JsonObject, Message, Report, Tool, ToolCall

TIMER = Tool(
    "set_timer",
    "Start a timer.",
    {
        "type": "object",
        "properties": {"minutes": {"type": "integer"}, "label": {"type": "string", "default": "tea"}},
    },
)
NOW = Tool("now", "The time.", {"type": "object", "properties": {}})

MADE: JsonObject = {
    "command": "callwright eval tiny --data 'a file.jsonl'",
    "environment": {
        "callwright": "0.1.0",
        "python": "3.11",
        "torch": "2",
        "system": "Linux",
        "processor": "a CPU",
        "threads": 2,
        "precision": "bf16",
        "commit": "c0ffee with changes",
    },
    "data": {"file": "a file.jsonl", "rows": 4, "sha256": "0" * 64},
    "seconds": 2.0,
}


def timer(minutes: int, label: str = "egg") -> ToolCall:
    return ToolCall("set_timer", {"minutes": minutes, "label": label})


def written(*calls: ToolCall, text: str = "") -> str:
    return "".join(segment.text for segment in hermes().family.write(Message("assistant", text, calls)))


def scored(id: str, request: str, gold: ToolCall | None, raw: str) -> RowScore:
    """A row whose answer is one call, or a text, and what a model wrote to it."""
    answer = Message("assistant", "" if gold else "No tool can do that.", (gold,) if gold else ())
    row = Conversation(id, (TIMER, NOW), (Message("user", request), answer), where=f"test.jsonl:{id}")
    return score_row(row, hermes().parse(raw, row.tools), raw)


def evaluated(folder: Path, rows: Sequence[RowScore], name: str = "tuned", counts: JsonObject | None = None) -> Report:
    """An evaluation's folder. counts: aggregates beside those that the scores give."""
    report = build_report(name, rows)
    report = replace(report, made=MADE, aggregates={**report.aggregates, **(counts or {})})
    write_report(folder, report, failures_of(rows))
    return report


def walked(folder: Path, base: Sequence[RowScore], tuned: Sequence[RowScore]) -> Path:
    """A run's folder, with a training of three steps."""
    evaluated(folder / "base", base, "base")
    evaluated(folder / "tuned", tuned, "tuned")
    recipe = {"model": "tiny", "method": "lora", "dialect": "hermes", "eval": {"data": "a file.jsonl", "base": True}}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    steps = [{"step": n, "loss": 2.0 / n, "token_accuracy": 0.5 + n / 10, "elapsed_s": 1.5 * n} for n in (1, 2, 3)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps) + '{"step": 4, "lo')
    return folder
