"""The notebook's cells run in their order, on a tiny random model; the ready adapter on the embedded one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "notebook" / "callwright.ipynb"


def cells(kind: str) -> list[str]:
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in found["cells"] if cell["cell_type"] == kind]


def test_every_cell_runs(
    embedded: str, tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for source in cells("code"):
        # in small: another model, two steps
        text = source.replace('MODEL = "smollm2-135m"', f"MODEL = {tiny_model!r}").replace("STEPS = 60", "STEPS = 2")
        exec(compile(text.replace("800", "40"), str(NOTEBOOK), "exec"), names)
    printed = capsys.readouterr().out
    assert "send_message" in printed
    assert "gguf:q8_0" in printed
    assert names["STEPS"] == 2


def test_it_was_run_before_it_was_kept() -> None:
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell in found["cells"]:
        if cell["cell_type"] == "code":
            assert cell["execution_count"], "".join(cell["source"])[:60]
            assert not any(output["output_type"] == "error" for output in cell["outputs"])
    assert str(Path.home()) not in NOTEBOOK.read_text(encoding="utf-8")
