"""`callwright report` and `callwright compare`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import Cli
from report.scored_folders import evaluated, scored, timer, walked, written

RIGHT = [
    scored("a", "ten", timer(10), written(timer(10))),
    scored("b", "[bold]five[/bold]", timer(5), written(timer(5))),
]
WRONG = [RIGHT[0], scored("b", "[bold]five[/bold]", timer(5), "Sure.")]


def test_report_writes_the_pages_anew(callwright: Cli, tmp_path: Path) -> None:
    walked(tmp_path / "run", WRONG, RIGHT)
    code, printed, _ = callwright("report", "run", "--json")
    told = json.loads(printed)
    assert code == 0 and told["verdict"].startswith("tuned: 100.0% exact [34.2, 100.0] of 2; base 50.0%")
    assert Path(told["html"]).is_file() and "100.0%" in Path(told["markdown"]).read_text()
    code, printed, _ = callwright("report", "run")
    assert code == 0 and "run/report.html" in printed
    code, _, errors = callwright("report", "absent")
    assert code == 2 and "holds no recipe.json and no report.json" in errors


def test_compare_prints_rows_and_writes_a_page(callwright: Cli, tmp_path: Path) -> None:
    evaluated(tmp_path / "a", WRONG)
    evaluated(tmp_path / "b", RIGHT)
    code, printed, _ = callwright("compare", "a", "b/report.json", "--output", "c.html")
    assert code == 0
    assert "won  [bold]five[/bold]" in printed and "1 won, 0 lost" in " ".join(printed.split())
    assert "exact match" in printed and "+50.0 [" in printed
    assert "<h1>B (b) 100.0% exact" in (tmp_path / "c.html").read_text()
    assert callwright("compare", "a", "b", "--output", "c.html")[0] == 2, "a file that exists is kept"
    code, printed, _ = callwright("compare", "b", "a", "--json")
    found = json.loads(printed)
    assert [row["row"] for row in found["lost"]] == ["b"] and found["metrics"]["exact_match"]["only_a_right"] == 1


def test_more_than_two_stand_side_by_side(callwright: Cli, tmp_path: Path) -> None:
    for name, rows in (("base", WRONG), ("few", RIGHT), ("tuned", RIGHT)):
        evaluated(tmp_path / name, rows)
    code, printed, errors = callwright("compare", "base", "few", "tuned")
    assert code == 0, errors
    assert all(name in printed for name in ("base", "few", "tuned"))
    assert "few less base, of the same" in printed
    assert "tuned less base, of the same" in printed
    code, printed, _ = callwright("compare", "base", "few", "tuned", "--json")
    told = json.loads(printed)
    assert list(told["runs"]) == ["base", "few", "tuned"]
    assert told["against"] == "base"
    assert told["metrics"]["few"]["exact_match"]["difference"] > 0
    code, _, errors = callwright("compare", "base", "few", "tuned", "--output", "x.html")
    assert code == 2 and "a page of two" in " ".join(errors.split())
