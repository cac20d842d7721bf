"""Held-out rows: asked in blocks whose replies are kept, gone on with after a kill, and asked alone where timed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from callwright.errors import RunError
from callwright.pipeline import held_out, replies
from callwright.pipeline.held_out import Wanted, score_held_out
from callwright.pipeline.scoring import Asked
from callwright.recipe import Eval
from callwright.score.run import RowScore, score_row
from callwright.types import Conversation, Reply, ToolCall
from watcher import Watcher

TOOL = {"name": "f", "description": "", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}


class Model:
    """Calls f(x=1), whatever it is asked, until it is killed."""

    def __init__(self, most: int = 1000) -> None:
        self.asked: list[list[str]] = []
        self.most = most

    def __call__(self, rows: Sequence[Conversation], settings: Eval, watch: Callable[[int], None]) -> list[RowScore]:
        if sum(map(len, self.asked)) + len(rows) > self.most:
            raise KeyboardInterrupt
        self.asked.append([row.messages[0].text for row in rows])
        watch(len(rows))
        return [score_row(row, Reply("", (ToolCall("f", {"x": 1}),)), "f(1)") for row in rows]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(replies, "_BLOCK", 4)
    with (tmp_path / "rows.jsonl").open("w") as file:
        for n in range(10):
            call = {"name": "f", "arguments": {"x": n % 2}}
            said = [{"role": "user", "content": f"row number {n}"}, {"role": "assistant", "tool_calls": [call]}]
            file.write(json.dumps({"id": str(n), "tools": [TOOL], "messages": said}) + "\n")
    return str(tmp_path / "rows.jsonl")


def scored(
    model: Model, data: str, monkeypatch: pytest.MonkeyPatch, output: Path | None = None, **wanted: object
) -> held_out.Found:
    monkeypatch.setattr(held_out, "opened_scorer", lambda asked: ("base", model))
    where = (output, "callwright eval") if output else None
    return score_held_out(Asked("m"), Eval(data=data), Wanted(**wanted), Watcher(), where)  # type: ignore[arg-type]


def test_a_killed_evaluation_goes_on(data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = scored(Model(), data, monkeypatch, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        scored(Model(most=8), data, monkeypatch, tmp_path / "cut")
    file = tmp_path / "cut" / "replies.jsonl"
    with file.open("a") as torn:
        torn.write('{"id": "half')
    rest = Model()
    again = scored(rest, data, monkeypatch, tmp_path / "cut")
    assert rest.asked == [["row number 8", "row number 9"]]
    assert again.report.verdicts == whole.report.verdicts
    assert again.report.aggregates == whole.report.aggregates
    assert not file.exists(), "a finished one may be asked anew"
    assert again.report.aggregates["exact_match"]["value"] == 0.5


def test_replies_of_other_settings_are_not_used(data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        scored(Model(most=8), data, monkeypatch, tmp_path / "out")
    with pytest.raises(RunError, match=r"other settings \(shots\)"):
        scored(Model(), data, monkeypatch, tmp_path / "out", shots=2, shots_from=data)


def test_rows_with_examples_are_scored_as_they_are(data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    pool.write_text(Path(data).read_text().replace("row number", "quite another request of number"))
    model = Model()
    found = scored(model, data, monkeypatch, shots=1, shots_from=str(pool))
    assert all(text.startswith("quite another") for block in model.asked for text in block)
    assert [score.conversation.messages[0].text for score in found.scores] == [f"row number {n}" for n in range(10)]
    assert found.report.aggregates == scored(Model(), data, monkeypatch).report.aggregates


def test_slices_and_samples_are_kept_apart(data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = scored(Model(), data, monkeypatch, tmp_path / "out", samples=2, slices="typos")
    with pytest.raises(KeyboardInterrupt):
        scored(Model(most=26), data, monkeypatch, tmp_path / "cut", samples=2, slices="typos")
    rest = Model()
    again = scored(rest, data, monkeypatch, tmp_path / "cut", samples=2, slices="typos")
    assert sum(map(len, rest.asked)) < 10, "the samples were done, and a block of the slice"
    assert again.report.aggregates == whole.report.aggregates
    assert (tmp_path / "out" / "slices" / "typos" / "report.json").is_file()


def test_rows_are_timed_alone(data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = Model()
    found = scored(model, data, monkeypatch, tmp_path / "out", timed=3)
    assert [len(block) for block in model.asked] == [4, 4, 2, 1, 1, 1, 1]
    told = json.loads((tmp_path / "out" / "report.json").read_text())["aggregates"]["latency"]
    assert told == found.report.aggregates["latency"]
    assert told["n"] == 3
    assert 0 <= told["median"] <= told["p95"]
