"""The report of a run: what it says, that it loads nothing, and that no text of a model becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from callwright.errors import RunError
from callwright.report import misses
from callwright.report.card import card
from callwright.report.run import run_page, write_run_report
from callwright.report.source import read_source
from callwright.report.words import verdict
from callwright.score.run import RowScore, failures_of
from callwright.types import ToolCall
from report.scored_folders import evaluated, scored, timer, walked, written

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)> \u2028 \ud83d <!--"
RIGHT = scored("a", "ten minutes", timer(10), written(timer(10)))
WRONG = scored("b", "five minutes", timer(5), written(timer(50)))
TALK = scored("c", "what is love", None, "No.")
HURT = scored("d", HOSTILE, timer(1, HOSTILE), f'<tool_call>\n{{"name": "{HOSTILE}')
BASE = [RIGHT, scored("b", "five minutes", timer(5), "Sure!"), TALK, HURT]
TUNED = [
    RIGHT,
    WRONG,
    scored("c", "what is love", None, written(timer(1))),
    scored("d", "x", timer(1), written(timer(1))),
]


class _Page(HTMLParser):
    """Every element with its attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self.open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.open = tag

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_data(self, data: str) -> None:
        if self.open in ("script", "style"):
            self.inside.append((self.open, data))

    def rows(self) -> list[dict[str, Any]]:
        """What the page lists."""
        data = [text for kind, text in self.inside if kind == "script" and text.startswith("[")]
        return list(json.loads(data[0]))


def opened(folder: Path) -> _Page:
    return _Page(write_run_report(folder).read_text(encoding="utf-8"))


def test_the_verdict_compares_with_the_base(tmp_path: Path) -> None:
    source = read_source(walked(tmp_path, BASE, TUNED))
    assert verdict(source) == ("tuned: 50.0% exact [15.0, 85.0] of 4; base 50.0%; +0.0 points [-49.5, +49.5], p = 1")
    page = run_page(source)
    assert f"<h1>{verdict(source)}</h1>" in page
    assert page == run_page(source), "equal input, equal page"
    for heading in ("Metrics", "Tools", "Arguments", "Misses", "Training", "Time", "Data", "Environment", "Recipe"):
        assert f">{heading}</h2>" in page
    for words in ("c0ffee with changes", "a CPU", "callwright eval tiny --data &#39;a file.jsonl&#39;", "0" * 64):
        assert words in page


def test_nothing_is_loaded_and_only_what_is_inside_may_run(tmp_path: Path) -> None:
    page = opened(walked(tmp_path, BASE, [*TUNED[:3], HURT]))
    policy = next(attrs["content"] or "" for tag, attrs in page.found if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    running = [text for tag, text in page.inside if not text.startswith(("[", "{"))]
    assert len(running) == 2, "one style, one script"
    for text in running:
        assert "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    for tag, attrs in page.found:
        assert tag not in ("img", "iframe", "object", "base")
        assert not any(name.startswith("on") or name in ("src", "style") for name in attrs), (tag, attrs)
        assert (attrs.get("href") or "#").startswith(("#", "data:,"))
    assert sum(tag == "script" for tag, _ in page.found) == 3


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    page = opened(walked(tmp_path, BASE, [*TUNED[:3], HURT]))
    row = next(row for row in page.rows() if row["id"] == "d")
    assert row["request"] == HOSTILE
    assert [
        "set_timer",
        "missing",
        [["minutes", "missing", "1", ""], ["label", "missing", json.dumps(HOSTILE, ensure_ascii=False), ""]],
    ] in row["calls"]
    assert "".join(text for _, text in row["raw"]).endswith(HOSTILE)
    evaluated(tmp_path / "tools", [scored("x", "y", ToolCall(HOSTILE, {HOSTILE: 1}), "")], HOSTILE)
    named = opened(tmp_path / "tools")
    assert sum(tag == "script" for tag, _ in named.found) == 3
    assert not any(tag == "img" for tag, _ in named.found)


def test_misses_are_beside_what_was_due(tmp_path: Path) -> None:
    rows = {row["id"]: row for row in opened(walked(tmp_path, BASE, TUNED)).rows()}
    assert set(rows) == {"b", "c"}
    assert rows["b"]["calls"] == [
        ["set_timer", "wrong", [["minutes", "wrong", "5", "50"], ["label", "ok", '"egg"', '"egg"']]]
    ]
    assert "group" not in rows["b"] and rows["c"]["group"] == "lost", "the base had it right"
    assert rows["c"]["calls"][0][:2] == ["set_timer", "extra"]
    assert ("argument", "50") in [tuple(piece) for piece in rows["b"]["raw"]]


def test_an_omitted_default_is_right_where_the_tools_are_known(tmp_path: Path) -> None:
    gold, given = timer(5, "tea"), ToolCall("set_timer", {"minutes": 6})
    folder = walked(tmp_path, BASE, [scored("a", "x", gold, written(given))])
    tools = [{"name": tool.name, "description": "", "parameters": tool.parameters} for tool in RIGHT.conversation.tools]
    (folder / "data").mkdir()
    (folder / "data" / "tools.json").write_text(json.dumps(tools))
    assert opened(folder).rows()[0]["calls"][0][2][1] == ["label", "ok", '"tea"', ""]


def test_modes_and_confusion_are_shown_where_a_report_counts_them(tmp_path: Path) -> None:
    counts = {
        "by_mode": {"wrong_value": {"n": 1, "rows": 2, "examples": ["b"]}, "spurious_call": {"n": 1, "rows": 1}},
        "confusion": {"set_timer": {"set_timer": 2, "(broken)": 1}, "(no call)": {"set_timer": 1}},
    }
    evaluated(tmp_path, TUNED, counts=counts)
    page = write_run_report(tmp_path).read_text(encoding="utf-8")
    assert ">wrong value</th>" in page
    assert 'data-due="(no call)" data-called="set_timer"' in page
    assert "set_timer due, set_timer called: 2 of 3 (66.7%)" in page
    assert "| wrong value | 1 | 50.0% | 2 |" in card(read_source(tmp_path))
    report = json.loads((tmp_path / "report.json").read_text())
    report["aggregates"] = {key: value for key, value in report["aggregates"].items() if key not in counts}
    (tmp_path / "report.json").write_text(json.dumps(report))
    old = write_run_report(tmp_path).read_text(encoding="utf-8")
    for heading in ("What is wrong", "Confusion"):
        assert f">{heading}</h2>" in page and f">{heading}</h2>" not in old


def test_many_long_replies_do_not_make_a_heavy_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misses, "MOST_BYTES", 3_000)
    evaluated(tmp_path, [scored(str(n), "x" * 200, timer(n), "y" * 300) for n in range(30)])
    page = opened(tmp_path)
    assert 1 < len(page.rows()) < 10
    assert f"The first {len(page.rows())} of 30" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_card_has_intervals_and_the_command(tmp_path: Path) -> None:
    text = card(read_source(walked(tmp_path, BASE, TUNED)))
    assert "    callwright eval tiny --data 'a file.jsonl'\n" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    exact = next(line for line in lines if line.startswith("| exact match |"))
    assert exact == "| exact match | 4 | 50.0% [15.0, 85.0] | 50.0% [15.0, 85.0] | +0.0 [-49.5, +49.5] | p = 1 |"
    assert {line.count("|") for line in lines} == {7, 6, 5}, "metrics, then tools, then failures"


def test_the_card_of_a_hostile_tool_has_its_columns(tmp_path: Path) -> None:
    name = "a|b`c <i>](javascript:1)"
    evaluated(tmp_path, [scored("x", "y", ToolCall(name, {}), "")])
    row = next(line for line in card(read_source(tmp_path)).splitlines() if "javascript" in line)
    assert len(re.split(r"(?<!\\)\|", row)) == 6
    assert r"\]\(" not in row and r"\](" in row and r"\<i\>" in row


def test_a_training_that_was_not_scored_has_a_report_too(tmp_path: Path) -> None:
    folder = walked(tmp_path, BASE, TUNED)
    for name in ("base", "tuned"):
        (folder / name / "report.json").unlink()
    assert verdict(read_source(folder)) == "trained for 3 steps; not scored"
    page = write_run_report(folder).read_text(encoding="utf-8")
    assert ">Training</h2>" in page and ">Metrics</h2>" not in page
    assert "### Metrics" not in (folder / "report.md").read_text()


def test_charts_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    folder = walked(tmp_path, BASE, TUNED)
    (folder / "scores.jsonl").write_text('{"step": 2, "score": 0.25}\n{"step": 3, "score": 0.5}\n')
    curve = [{"rows": rows, "seed": seed, "exact": 0.1 * rows / 100, "n": 50} for rows in (100, 400) for seed in (0, 1)]
    (folder / "curve.json").write_text(json.dumps(curve))
    page = run_page(read_source(folder))
    drawn = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    assert [svg.get("aria-label") for svg in drawn] == ["Loss", "Exact match by step", "Learning curve"]
    assert [len(svg.findall("circle")) for svg in drawn] == [0, 2, 4]
    assert len(drawn[2].findall("line[@class='end line1']")) == 4


@pytest.mark.parametrize("spoil", ["no folder", "not JSON", "other failures", "no failures"])
def test_what_cannot_be_a_report_is_said(tmp_path: Path, spoil: str) -> None:
    evaluated(tmp_path, TUNED)
    if spoil == "no folder":
        with pytest.raises(RunError, match=r"holds no recipe\.json and no report\.json"):
            write_run_report(tmp_path / "absent")
    elif spoil == "not JSON":
        (tmp_path / "failures.jsonl").write_text("{\n")
        with pytest.raises(RunError, match=r"failures\.jsonl: not failures"):
            write_run_report(tmp_path)
    elif spoil == "other failures":
        lines = (tmp_path / "failures.jsonl").read_text().splitlines()
        (tmp_path / "failures.jsonl").write_text(lines[0] + "\n")
        with pytest.raises(RunError, match=r"has 1 rows, report\.json has 2 misses"):
            write_run_report(tmp_path)
    else:
        (tmp_path / "failures.jsonl").unlink()
        assert ">Misses</h2>" not in write_run_report(tmp_path).read_text()


def test_rows_that_share_an_id_keep_their_own_failures(tmp_path: Path) -> None:
    twins: list[RowScore] = [WRONG, scored("b", "another", timer(7), written(timer(8)))]
    evaluated(tmp_path, twins)
    found = read_source(tmp_path).scored["tuned"].failures
    assert [(key, failure["request"]) for key, failure in found.items()] == [("b", "five minutes"), ("b#2", "another")]
    assert len(failures_of(twins)) == 2
