"""Where the failures of an evaluation are looked for, and what is said where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callwright.errors import RunError
from callwright.score.failures import load_failures
from callwright.types import JsonObject

MISSED: JsonObject = {"id": "x", "request": "x", "expected_calls": [], "got_calls": [], "mode": "spurious_call"}


def test_where_failures_are_read_from(tmp_path: Path) -> None:
    run = tmp_path / "run" / "tuned"
    run.mkdir(parents=True)
    file = run / "failures.jsonl"
    file.write_text(json.dumps(MISSED) + "\n")
    for place in (tmp_path / "run", run, file, run / "report.json", tmp_path / "run" / "report.json"):
        assert [one["request"] for one in load_failures(place)] == ["x"]
    file.write_text("")
    with pytest.raises(RunError, match="no failure"):
        load_failures(run)
    file.write_text(json.dumps(MISSED | {"mode": ""}) + "\n")
    with pytest.raises(RunError, match="score them again"):
        load_failures(run)
    with pytest.raises(RunError, match="cannot read"):
        load_failures(tmp_path / "nowhere")
