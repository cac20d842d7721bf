"""The data verbs that say what a set holds, and what another format would lose of it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from callwright.cli.convert import FORMATS
from callwright.data import READERS
from command_line import Cli

CALL = {"name": "set_timer", "arguments": {"minutes": 3}}
TOOL = {"name": "set_timer", "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}}}
ANSWERS = [{"content": "", "tool_calls": [CALL]}, {"content": "For how long?"}, {"content": "", "tool_calls": [CALL]}]


@pytest.fixture
def run(callwright: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """`callwright data` in a folder with three rows, of which xLAM can hold two."""
    monkeypatch.setenv("COLUMNS", "200")
    rows = [
        {"id": f"r{n}", "tools": [TOOL], "provenance": {"licence": "MIT"},
         "messages": [{"role": "user", "content": f"[b]timer {n}"}, {"role": "assistant", **answer}]}
        for n, answer in enumerate(ANSWERS)
    ]  # fmt: skip
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    return partial(callwright, "data")


def test_convert_lists_reasons_and_fields_and_writes_nothing(run: Cli) -> None:
    code, _, errors = run("convert", "rows.jsonl", "x.json", "--to", "xlam")
    assert code == 2 and not Path("x.json").exists()
    assert "xlam cannot hold an answer in text" in errors and "rows.jsonl:2" in errors and "provenance" in errors
    code, printed, _ = run("convert", "rows.jsonl", "x.json", "--to", "xlam", "--skip-bad", "--json")
    assert (code, json.loads(printed)) == (
        0,
        {
            "rows": 2,
            "refused": [{"reason": "xlam cannot hold an answer in text", "rows": 1, "first": "rows.jsonl:2"}],
            "dropped": [{"field": "provenance", "rows": 2, "first": "rows.jsonl:1"}],
        },
    )


def test_convert_names_every_format() -> None:
    assert set(FORMATS.split(", ")) == set(READERS)


def test_stats_prints_and_writes_a_page(run: Cli, tiny_model: str) -> None:
    with Path("rows.jsonl").open("a") as file:
        file.write("{broken\n")
    words = ("stats", "rows.jsonl", "--model", tiny_model, "--dialect", "hermes")
    code, printed, errors = run(*words, "--html", "page.html")
    assert code == 0, errors
    assert "single 2, clarify 1" in printed and "set_timer 2" in printed and "MIT 3" in printed
    assert "1 rows cannot be read, the first: rows.jsonl:4" in " ".join(printed.split())
    assert "set_timer" in Path("page.html").read_text(encoding="utf-8")
    assert run(*words, "--html", "page.html")[0] == 2, "an existing page is not overwritten"
    code, printed, _ = run(*words, "--json")
    found = json.loads(printed)
    assert (found["rows"], found["bad_rows"], found["lengths"]["tokens"]["rows"]) == (3, 1, 3)
    assert "tokens" not in json.loads(run("stats", "rows.jsonl", "--model", "none", "--json")[1])["lengths"]


def test_split_by_template(run: Cli) -> None:
    words = ("split", "rows.jsonl", "--train", "a.jsonl", "--held-out", "b.jsonl", "--rows", "1")
    code, _, errors = run(*words, "--by", "template")
    assert code == 2 and "the rows fall into 1 groups" in errors
    code, _, errors = run(*words, "--by", "dialog")
    assert code == 2 and "did you mean 'dialogue'" in errors
    assert run(*words, "--by", "dialogue")[0] == 0
