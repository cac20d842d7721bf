"""`callwright eval --tasks`, as a user types it, on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import Cli
from report_schema import check_report

SOURCE = '''
def double(number: int) -> int:
    """Twice a number."""
    return 2 * number
'''


@pytest.fixture
def files(tmp_path: Path) -> None:
    call = {"name": "double", "arguments": {"number": 4}}
    messages = [
        {"role": "user", "content": "twice 4"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "8"},
        {"role": "assistant", "content": "That is 8."},
    ]
    (tmp_path / "tools.py").write_text(SOURCE)
    rows = [{"id": f"t{n}", "messages": messages} for n in range(3)]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    state = [{"name": "double", "arguments": {"number": 1}, "result": 2}]
    (tmp_path / "state.jsonl").write_text(json.dumps(rows[0] | {"state": state}))


def test_tasks_are_played_kept_and_resumed(callwright: Cli, files: None, tmp_path: Path, tiny_model: str) -> None:
    asked = ("eval", tiny_model, "--tools", "tools.py", "--dialect", "hermes", "--mode", "forced", "--constrain")
    asked += ("--tasks", "tasks.jsonl", "--execute", "--steps", "2", "--output", "out", "--max-new-tokens", "24")
    code, printed, errors = callwright(*asked)
    assert code == 0, errors
    assert "tasks done" in printed
    file = tmp_path / "out" / "tasks.jsonl"
    lines = file.read_text().splitlines()
    assert len(lines) == 4
    report = tmp_path / "out" / "report.json"
    check_report(report)
    first = json.loads(report.read_text())
    assert first["aggregates"]["tasks"]["task_success"]["n"] == 3
    assert {"t0", "t0/1.1"} <= first["verdicts"].keys()
    assert "Tasks" in (tmp_path / "out" / "report.html").read_text()
    assert "### Tasks" in (tmp_path / "out" / "report.md").read_text()

    file.write_text("\n".join(lines[:2]) + "\n" + lines[2][:20])
    code, printed, errors = callwright(*asked, "--json")
    assert (code, "1 of 3 tasks were played before" in errors) == (0, True), errors
    again = json.loads(report.read_text())
    assert again["verdicts"] == first["verdicts"]
    assert json.loads(printed) == first["aggregates"]
    code, _, errors = callwright(*asked, "--temperature", "1")
    assert code == 2 and "other settings (settings)" in " ".join(errors.split())
    code, printed, errors = callwright("compare", "out", "out", "--json")
    assert json.loads(printed)["metrics"]["task_success"]["rows"] == 3


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "or --tasks with rows to play"),
        (("--data", "tasks.jsonl", "--execute"), "goes with --tasks"),
        (("--tasks", "tasks.jsonl", "--rows", "2"), "leave out --rows"),
        (("--tasks", "tasks.jsonl", "--execute"), "name their file with --tools"),
        (("--tasks", "state.jsonl", "--tools", "tools.py"), "give --execute"),
    ],
)
def test_what_does_not_go_together(
    callwright: Cli, files: None, tiny_model: str, words: tuple[str, ...], why: str
) -> None:
    code, _, errors = callwright("eval", tiny_model, *words)
    assert code == 2 and why in " ".join(errors.split())
