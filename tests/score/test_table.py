"""The terminal's tables hold the numbers that they were given."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from callwright.score.failures import Failure
from callwright.score.run import METRICS
from callwright.score.table import LABELS, comparison_table, confusion_table, failures_table, modes_table, tool_table
from callwright.types import JsonObject

EMPTY = {"n": 0, "value": None, "low": None, "high": None}


def text_of(table: Table) -> str:
    console = Console(file=io.StringIO(), width=140, color_system=None)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line_of(text: str, label: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if label in line]
    return [cell.strip() for cell in line.strip("│┃").split("│")]


def share(n: int, value: float, low: float, high: float) -> JsonObject:
    return {"n": n, "value": value, "low": low, "high": high}


def aggregates(exact: JsonObject) -> dict[str, JsonObject]:
    timer = {**share(40, 0.5, 0.352, 0.648), "spurious": 3}
    return {
        **{metric: EMPTY for metric in METRICS},
        "exact_match": exact,
        "parse_failure": share(240, 0.025, 0.0115, 0.0535),
        "by_tool": {"set_timer": timer, "[now]": {**EMPTY, "spurious": 1}},
        "by_argument": {},
        "by_category": {"[b]parallel[/b]": share(31, 1.0, 0.89, 1.0)},
    }


def test_the_comparison_has_a_column_a_run_and_every_metric() -> None:
    base, tuned = aggregates(share(240, 0.1, 0.068, 0.1445)), aggregates(share(240, 0.613, 0.55, 0.672))
    del base["by_category"]
    text = text_of(comparison_table({"base": base, "tuned": tuned}))
    assert line_of(text, "metric")[0].startswith("metric")
    assert line_of(text, "exact match") == ["exact match", "10.0% [6.8, 14.4]", "61.3% [55.0, 67.2]"]
    assert line_of(text, "parallel") == ["[b]parallel[/b] (n=31)", "–", "100.0% [89.0, 100.0]"]
    assert line_of(text, "parse failures") == ["parse failures", "2.5% [1.1, 5.3]", "2.5% [1.1, 5.3]"]
    assert line_of(text, "strict JSON") == ["strict JSON", "–", "–"]
    assert line_of(text, "│ n  ")[1:] == ["240", "240"]
    assert all(label in text for metric, label in LABELS.items() if metric != "asked_when_missing")


def test_changes_are_a_column_in_points() -> None:
    base, tuned = aggregates(share(240, 0.1, 0.068, 0.1445)), aggregates(share(240, 0.613, 0.55, 0.672))
    change = {"difference": 0.513, "low": 0.44, "high": 0.5712}
    text = text_of(comparison_table({"base": base, "tuned": tuned}, {"exact_match": change}))
    assert line_of(text, "exact match")[-1] == "+51.3 [+44.0, +57.1]"
    assert line_of(text, "strict JSON")[1:3] == ["–", "–"]
    assert "change, in points" in text


def test_asking_has_a_line_where_a_run_knows_what_was_missing() -> None:
    plain = aggregates(share(240, 0.1, 0.068, 0.1445))
    asked = plain | {"asked_when_missing": share(10, 0.5, 0.24, 0.76)}
    assert "asks when missing" not in text_of(comparison_table({"base": plain}))
    text = text_of(comparison_table({"base": plain, "tuned": asked}))
    assert line_of(text, "asks when missing") == ["asks when missing", "–", "50.0% [24.0, 76.0]"]


def test_every_metric_has_a_label() -> None:
    assert tuple(LABELS) == METRICS


def test_the_tool_table_shows_spurious_calls() -> None:
    text = text_of(tool_table({"tuned": aggregates(EMPTY)}))
    assert line_of(text, "set_timer") == ["set_timer", "40", "50.0% [35.2, 64.8] + 3"]
    assert line_of(text, "[now]") == ["[now]", "0", "– + 1"]


def failure(number: int) -> Failure:
    why = "f.a: expected [1], got [red]2[/red] \ud83d"
    return Failure(f"r{number}", f"test.jsonl:{number}", "[bold]Do it", why, [], "", [], "", [], "stop", "")


def test_failures_are_shown_as_they_are_and_up_to_the_limit() -> None:
    text = text_of(failures_table([failure(number) for number in range(5)], limit=2))
    assert "test.jsonl:1" in text and "test.jsonl:2" not in text
    assert "[bold]Do it" in text and "got [red]2[/red]" in text
    assert "3 more in failures.jsonl" in text
    assert "more" not in text_of(failures_table([failure(0)]))
    text.encode("utf-8")


def test_modes_are_counted_by_row_and_by_what_they_apply_to() -> None:
    counted = {"wrong_span": {"n": 6, "rows": 9, "examples": ["a", "[b]b[/b]"]}}
    text = text_of(modes_table(aggregates(share(40, 0.5, 0.4, 0.6)) | {"by_mode": counted}))
    assert line_of(text, "wrong span") == ["wrong span", "6", "15.0%", "9", "a, [b]b[/b]"]


def test_the_confusion_shows_what_is_called_in_place_of_what_is_due() -> None:
    matrix = {"set_timer": {"set_timer": 6, "now": 3, "(no call)": 1}, "(no call)": {"now": 2}}
    run = aggregates(share(40, 0.5, 0.4, 0.6)) | {"confusion": matrix}
    text = text_of(confusion_table(run, limit=2))
    assert line_of(text, "set_timer") == ["set_timer", "now", "3", "30.0%"]
    assert line_of(text, "(no call)") == ["(no call)", "now", "2", "100.0%"]
    assert '1 more under "confusion" in report.json' in text
