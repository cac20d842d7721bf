"""The loss curve: which rows it reads, and that its file is whole and reproducible."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.errors import DataError
from callwright.report.plots import loss_curve, read_losses, smooth


def metrics(folder: Path, *rows: object, tail: str = "") -> Path:
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + tail, encoding="utf-8")
    return path


def step(number: int, loss: float = 1.0, **more: object) -> dict[str, object]:
    return {"step": number, "loss": loss, "lr": 1e-4, "tokens_per_s": 900.0, **more}


def test_the_svg_is_whole_names_its_axes_and_is_the_same_each_time(tmp_path: Path) -> None:
    path = metrics(tmp_path, *(step(number, 3 / number) for number in range(1, 30)))
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    loss_curve(path, first)
    loss_curve(path, second)
    assert first.read_bytes() == second.read_bytes()
    root = ET.parse(first).getroot()
    assert root.tag.endswith("svg")
    text = first.read_text(encoding="utf-8")
    assert all(f">{words}<" in text for words in ("step", "loss", "loss, smoothed", "learning rate"))
    assert {'id="loss"', 'id="smoothed"', 'id="lr"'} <= set(text.replace(">", " ").split())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.svg", "b.svg", "metrics.jsonl"]


def test_without_a_learning_rate_there_is_no_second_axis(tmp_path: Path) -> None:
    loss_curve(metrics(tmp_path, {"step": 1, "loss": 2.0}), tmp_path / "a.svg")
    assert "learning rate" not in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_a_step_that_was_run_again_counts_once_and_other_rows_are_passed_over(tmp_path: Path) -> None:
    path = metrics(tmp_path, step(1, 3.0), step(2, 2.0), {"step": 2, "exact_match": 0.5}, step(2, 1.5), step(3, 1.0))
    assert [(point.step, point.loss) for point in read_losses(path)] == [(1, 3.0), (2, 1.5), (3, 1.0)]


def test_half_a_last_line_is_a_run_that_was_killed(tmp_path: Path) -> None:
    assert len(read_losses(metrics(tmp_path, step(1), tail='{"step": 2, "lo'))) == 1


def test_a_bad_line_elsewhere_is_named(tmp_path: Path) -> None:
    path = metrics(tmp_path, step(1), tail='{"step": 2, "lo\n{"step": 3, "loss": 1.0}\n')
    with pytest.raises(DataError, match=r"metrics\.jsonl:2: not JSON"):
        read_losses(path)


def test_no_losses_is_an_error_that_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row has a step and a loss"):
        loss_curve(metrics(tmp_path, {"step": 1, "loss": None}, {"step": True, "loss": 1}), tmp_path / "a.svg")
    assert not (tmp_path / "a.svg").exists()
    with pytest.raises(DataError, match="cannot read the metrics"):
        loss_curve(tmp_path / "absent.jsonl", tmp_path / "a.svg")


def test_a_loss_that_is_not_a_number_is_a_gap_not_a_crash(tmp_path: Path) -> None:
    loss_curve(metrics(tmp_path, step(1, 2.0), step(2, math.nan), step(3, math.inf), step(4, 1.0)), tmp_path / "a.svg")
    assert ET.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    assert smooth([2.0, math.nan, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert math.isnan(smooth([math.nan])[0])


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_the_smoothed_line_stays_between_the_extremes(losses: list[float]) -> None:
    smoothed = smooth(losses)
    assert len(smoothed) == len(losses)
    assert smoothed[0] == pytest.approx(losses[0])
    assert all(min(losses) - 1e-9 <= value <= max(losses) + 1e-9 for value in smoothed)


def test_importing_the_module_does_not_import_matplotlib() -> None:
    code = "import sys, callwright.report.plots; print('matplotlib' in sys.modules, 'torch' in sys.modules)"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert outcome.stdout.split() == ["False", "False"]
