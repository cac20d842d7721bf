"""Two evaluations of the same rows: the table, the rows won and lost, the verb, and what cannot be compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callwright.errors import RunError
from callwright.report.paired import pair_up, paired_page, paired_table
from report.scored_folders import evaluated, scored, timer, walked, written

RIGHT, WRONG = written(timer(1)), written(timer(2))


def rows(pattern: str) -> list:
    """A row for each letter: r is right, w wrong, b broken."""
    replies = {"r": RIGHT, "w": WRONG, "b": "<tool_call>\n{"}
    return [scored(f"row{n}", f"request {n}", timer(1), replies[letter]) for n, letter in enumerate(pattern)]


def test_rows_are_paired_by_their_ids(tmp_path: Path) -> None:
    evaluated(tmp_path / "a", rows("rrwwwb"))
    evaluated(tmp_path / "b", list(reversed(rows("rwrrrb"))))
    pair = pair_up(tmp_path / "a" / "report.json", tmp_path / "b")
    exact = pair.metrics["exact_match"]
    assert (exact.rows, exact.only_base, exact.only_tuned, exact.p_value) == (6, 1, 3, 0.625)
    assert [row.key for row in pair.won] == ["row2", "row3", "row4"]
    assert [(row.key, row.request, row.why) for row in pair.lost] == [
        ("row1", "request 1", "set_timer.minutes: expected 1, got 2")
    ]
    assert "B (" in pair.verdict and pair.verdict.endswith("p = 0.625; 3 won, 1 lost")
    line = [cell.text for cell in paired_table(pair).rows[0]]
    assert line[:2] == ["exact match", "6"] and line[4:6] == ["3", "1"] and line[2].startswith("33.3% [")
    page = paired_page(pair)
    assert "request 4" in page and "request 5" not in page, "rows that both missed are not listed"
    assert pair.as_json()["lost"][0]["why_b_missed"] == "set_timer.minutes: expected 1, got 2"


def test_of_a_run_the_tuned_model_counts(tmp_path: Path) -> None:
    walked(tmp_path / "run", rows("ww"), rows("rr"))
    evaluated(tmp_path / "eval", rows("wr"))
    assert [row.key for row in pair_up(tmp_path / "eval", tmp_path / "run").won] == ["row0"]


def test_without_failures_rows_are_counted_and_the_page_says_so(tmp_path: Path) -> None:
    for name, pattern in (("a", "wr"), ("b", "rr")):
        evaluated(tmp_path / name, rows(pattern))
        (tmp_path / name / "failures.jsonl").unlink()
    pair = pair_up(tmp_path / "a", tmp_path / "b")
    assert [(row.key, row.request) for row in pair.won] == [("row0", "")]
    assert "1 rows won or lost, because there is no failures.jsonl" in paired_page(pair)


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    evaluated(tmp_path / "a", rows("r"))
    evaluated(tmp_path / "b", [scored("other", "x", timer(1), RIGHT)])
    with pytest.raises(RunError, match="share no row"):
        pair_up(tmp_path / "a", tmp_path / "b")
    with pytest.raises(RunError, match=r"holds no report\.json"):
        pair_up(tmp_path / "a", tmp_path)
    (tmp_path / "a" / "report.json").write_text(json.dumps({"callwright": "0.1.0"}))
    with pytest.raises(RunError, match="not a report"):
        pair_up(tmp_path / "a", tmp_path / "b")
