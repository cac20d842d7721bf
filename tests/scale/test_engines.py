"""Engines: the same results in the same order, whatever does the work, and a clear word when a worker dies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callwright.data import READERS, canonical, conversations
from callwright.data.convert import Losses, convert
from callwright.data.dedupe import dedupe_file
from callwright.errors import DataError, EngineError
from callwright.pipeline.lint import Lint, lint_file, render_file
from callwright.scale import Engine, Local, OnRay, PerRow, engine_for
from callwright.scale.on_ray import lay_shards
from callwright.synth import verify_file
from callwright.tools import load_tools
from callwright.types import Conversation, Message, Tool, ToolCall

TOOL = Tool("set_light", "Set a light.", {"type": "object", "properties": {"room": {"type": "string"}}})


@pytest.fixture(scope="module")
def on_ray() -> Iterator[Engine]:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'callwright[ray]'")
    ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield OnRay(2)
    ray.shutdown()


@pytest.fixture(params=["processes", "ray"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine that uses other processes."""
    return Local(2, few=1) if request.param == "processes" else request.getfixturevalue("on_ray")


def write_rows(path: Path) -> None:
    """Rows that differ, repeat, cannot be read, and stand twice under one id."""
    lines = []
    for number in range(700):
        city = f"room {number % 500}"
        call = ToolCall("set_light" if number % 50 else "set_lihgt", {"room": city if number % 70 else None})
        text = f"please turn the lamp on for me in the nice old {city} of this house" + " now" * (number % 3 == 0)
        row = Conversation(f"r{number % 690}", (TOOL,), (Message("user", text), Message("assistant", "", (call,))))
        lines.append(json.dumps(canonical.to_row(row)) if number % 90 else '{"messages": oops}')
    path.write_text("\n".join(lines))


def test_results_come_in_order_and_the_source_is_read_as_needed() -> None:
    rows = iter(range(50_000))
    results = Local(2, few=10).map(PerRow(str), rows)
    assert [next(results) for _ in range(1000)] == [str(number) for number in range(1000)]
    assert next(rows) < 6000
    results.close()  # type: ignore[attr-defined]


def test_every_engine_gives_every_result(engine: Engine) -> None:
    rows = [{"n": number, "half": "\ud800", "text": "x" * (number % 7)} for number in range(1500)]
    assert list(engine.map(PerRow(dict), rows)) == rows
    assert list(engine.map(PerRow(dict), [])) == []


def test_a_worker_that_dies_is_an_error_that_says_so(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"a worker process died after row 0, .*fewer workers|a Ray worker failed: "):
        list(engine.map(PerRow(os._exit), [1] * 300))


def test_a_refusal_of_ours_keeps_its_words(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"nowhere\.json"):
        list(engine.map(PerRow(load_tools), ["nowhere.json"] * 300))


def test_unknown_engines_and_too_many_workers(on_ray: Engine) -> None:
    with pytest.raises(EngineError, match="did you mean 'local'"):
        engine_for("locale")
    with pytest.raises(EngineError, match="at least 1"):
        engine_for("local", 0)
    with pytest.raises(EngineError, match="64 workers and a core to read with: Ray has 3"):
        list(OnRay(64).map(PerRow(str), [1]))


def test_shards_hold_rows_in_the_order_of_their_names(tmp_path: Path) -> None:
    import pyarrow.parquet

    assert lay_shards(iter(range(10_000)), tmp_path) == 10
    names = sorted(tmp_path.iterdir())
    rows = [json.loads(text) for path in names for text in pyarrow.parquet.read_table(path)["row"].to_pylist()]
    assert rows == list(range(10_000))


def test_lint_render_convert_dedupe_and_verify_are_the_same_everywhere(
    engine: Engine, tmp_path: Path, tiny_model: str
) -> None:
    source = tmp_path / "rows.jsonl"
    write_rows(source)
    how = Lint(tiny_model, "hermes", max_length=200)
    done: list[Any] = []
    for name, used in (("here", Local()), ("there", engine)):
        out = {verb: tmp_path / f"{name}-{verb}.jsonl" for verb in ("good", "converted", "few", "verified")}
        report, good = lint_file(str(source), how, output=str(out["good"]), engine=used)
        rendered = list(render_file(str(source), how, limit=300, engine=used))
        losses = Losses()
        converted = convert(str(source), str(out["converted"]), "openai", skip_bad=True, losses=losses, engine=used)
        few = dedupe_file(str(out["good"]), str(out["few"]), engine=used)
        verified = verify_file(str(source), output=str(out["verified"]), engine=used)
        told = (report.to_json(), good, rendered, (converted, losses), few, verified.to_json())
        done.append((*told, [path.read_bytes() for path in out.values()]))
    assert done[0] == done[1]
    report, good, rendered, (converted, losses), (kept, dropped), verified, _ = done[0]
    assert set(report["problems"]) >= {"unreadable row", "duplicate id", "undeclared tool", "null argument"}
    assert losses.rows == 8 and 0 < kept < good < converted and len(rendered) == 296
    assert dropped.equal and dropped.near
    assert verified["by_check"].keys() == {"unreadable", "schema", "unique"} and 0 < verified["kept"] < good


def test_a_bad_row_ends_convert_with_its_place_and_no_file(engine: Engine, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl")
    with pytest.raises(DataError, match=r"rows\.jsonl:1: not JSON"):
        convert(str(tmp_path / "rows.jsonl"), str(tmp_path / "out.jsonl"), "openai", engine=engine)
    assert not (tmp_path / "out.jsonl").exists()


def test_several_rows_in_one_raw_row_and_a_limit(engine: Engine, tmp_path: Path) -> None:
    row = Conversation("a", (), (Message("user", "hi"), Message("assistant", "hello")))
    raw = READERS["toolalpaca"].to_row(row)
    raw["Instances"] *= 3
    (tmp_path / "rows.jsonl").write_text((json.dumps(raw) + "\n") * 4)
    for limit, rows in ((None, 12), (5, 5)):
        out = tmp_path / f"{limit}.jsonl"
        assert convert(str(tmp_path / "rows.jsonl"), str(out), "canonical", limit=limit, engine=engine) == rows
        assert [row.id for row in conversations(out)][:4] == ["a-1", "a-2", "a-3", "a-1"]
