"""Every report.json that is written is what the shipped schema says, and other files are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema_rs
import pytest

from callwright.score.run import METRICS
from callwright.types import JsonObject
from report.scored_folders import evaluated, scored, timer, written
from report_schema import SCHEMA, check_report

ROWS = [
    scored("a", "x", timer(1), written(timer(1))),
    scored("a", "x", timer(1), written(timer(2))),
    scored("b", "x", None, "Sure."),
    scored("c", "x", timer(1), '<tool_call>\n{"name": "set_timer", "arguments": {"minutes": NaN'),
]


@pytest.mark.parametrize("count", [0, 1, len(ROWS)])
def test_written_reports_are_valid(tmp_path: Path, count: int) -> None:
    evaluated(tmp_path, ROWS[:count])
    check_report(tmp_path / "report.json")


def test_the_schema_names_every_metric() -> None:
    aggregates = SCHEMA["$defs"]["aggregates"]
    assert set(METRICS) | {"by_tool", "by_argument", "by_category"} == set(aggregates["required"])
    jsonschema_rs.meta.validate(SCHEMA)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.update(format=2),
        lambda report: report.pop("verdicts"),
        lambda report: report.update(extra=1),
        lambda report: report["aggregates"]["exact_match"].update(value=1.5),
        lambda report: report["aggregates"].pop("by_tool"),
        lambda report: report["verdicts"]["a"][0].update(value="yes"),
        lambda report: report["made"]["data"].update(sha256="short"),
    ],
)
def test_what_differs_is_not_valid(tmp_path: Path, spoil: Callable[[JsonObject], object]) -> None:
    evaluated(tmp_path, ROWS)
    report = json.loads((tmp_path / "report.json").read_text())
    spoil(report)
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(jsonschema_rs.ValidationError):
        check_report(tmp_path / "report.json")
