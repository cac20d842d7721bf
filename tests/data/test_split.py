"""Splits: the same side for the same id, exact sizes, whole groups, nothing on both sides, nothing overwritten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from callwright.data import conversations, write
from callwright.data.split import Outputs, SplitCounts, split
from callwright.errors import DataError
from callwright.tools.jsonfile import tool_from_json
from callwright.types import Conversation, Message, ToolCall

TOOLS = [tool_from_json({"name": f"f{n}", "description": ""}, "test") for n in range(40)]


def make(path: Path, count: int) -> Path:
    rows = (
        Conversation(f"row-{i}", (TOOLS[i % 20], TOOLS[20 + i % 20]), (Message("user", f"text {i}"),))
        for i in range(count)
    )
    write(path, rows)
    return path


def ids(path: Path) -> list[str]:
    return [row.id for row in conversations(path)]


def run(source: Path, out: str, held_out: float | int, **options: object) -> tuple[SplitCounts, list[str], list[str]]:
    train, dev = source.parent / f"{out}-train.jsonl", source.parent / f"{out}-dev.jsonl.gz"
    counts = split(source, Outputs(train, dev), held_out, **options)  # type: ignore[arg-type]
    return counts, ids(train), ids(dev)


def test_a_share_of_rows(tmp_path: Path) -> None:
    source = make(tmp_path / "x.jsonl", 4000)
    counts, train, dev = run(source, "a", 0.1)
    assert counts == SplitCounts(len(train), len(dev))
    assert 320 < len(dev) < 480
    assert sorted(train + dev) == sorted(ids(source))
    order = {name: n for n, name in enumerate(ids(source))}
    assert dev == sorted(dev, key=order.__getitem__) and train == sorted(train, key=order.__getitem__)


def test_a_row_keeps_its_side_when_the_file_grows_and_changes_it_with_the_seed(tmp_path: Path) -> None:
    small, large = make(tmp_path / "s.jsonl", 300), make(tmp_path / "l.json", 600)
    dev_small, dev_large = run(small, "s", 0.2)[2], run(large, "l", 0.2)[2]
    assert set(dev_small) == set(dev_large) & set(ids(small))
    assert set(run(small, "other", 0.2, seed=1)[2]) != set(dev_small)


@pytest.mark.parametrize("count", [1, 37, 299])
def test_a_number_of_rows_is_exact(tmp_path: Path, count: int) -> None:
    counts, train, dev = run(make(tmp_path / "x.jsonl", 300), "a", count)
    assert counts == SplitCounts(300 - count, count) == SplitCounts(len(train), len(dev))


@pytest.mark.parametrize("held_out", [0.25, 70])
def test_tools_stay_together(tmp_path: Path, held_out: float | int) -> None:
    source = make(tmp_path / "x.parquet", 300)
    counts, train, dev = run(source, "a", held_out, by="tool")
    offered = {row.id: {tool.name for tool in row.tools} for row in conversations(source)}
    assert not {tool for name in train for tool in offered[name]} & {tool for name in dev for tool in offered[name]}
    wanted = round(held_out * 300) if isinstance(held_out, float) else held_out
    assert wanted - 15 < counts.held_out <= wanted


def test_one_tool_set_cannot_be_split_by_tool(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", (Conversation(str(i), (TOOLS[0],), ()) for i in range(9)))
    with pytest.raises(DataError, match="by tool: the rows fall into 1 groups, the smallest of 9 rows"):
        run(tmp_path / "x.jsonl", "a", 3, by="tool")
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]


def test_training_rows_lose_tools_that_held_out_rows_call(tmp_path: Path) -> None:
    rows = [
        Conversation(
            f"row-{i}",
            (TOOLS[i % 5], TOOLS[(i + 1) % 5]),
            (Message("user", f"text {i}"), Message("assistant", "", (ToolCall(f"f{i % 5}", {}),))),
        )
        for i in range(50)
    ]
    write(tmp_path / "x.jsonl", rows)
    counts, train, dev = run(tmp_path / "x.jsonl", "a", 20, by="called")
    assert (counts.held_out, len(train)) == (20, 30)
    called = {f"f{int(name.removeprefix('row-')) % 5}" for name in dev}
    shown = [[tool.name for tool in row.tools] for row in conversations(tmp_path / "a-train.jsonl")]
    assert len(called) == 2 and not called & {name for names in shown for name in names}
    assert counts.stripped == sum(len(names) == 1 for names in shown) > 0


def test_what_an_augmentation_made_stays_with_its_row(tmp_path: Path) -> None:
    plain = list(conversations(make(tmp_path / "x.jsonl", 60)))
    made = [replace(row, id=f"{row.id}~rename-1", provenance={"origin": [row.id]}) for row in plain]
    joined = replace(plain[0], id="joined", provenance={"origin": [plain[0].id, plain[1].id]})
    write(tmp_path / "more.jsonl", [*plain, *made, joined])
    for held_out in (0.3, 31):
        dev = set(run(tmp_path / "more.jsonl", f"a{held_out}", held_out)[2])
        assert all((row.id in dev) == (f"{row.id}~rename-1" in dev) for row in plain)
        assert len({name in dev for name in ("joined", "row-0", "row-1")}) == 1


def test_an_unknown_kind_of_split_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean 'dialogue'"):
        run(make(tmp_path / "x.jsonl", 10), "a", 0.5, by="dialog")


def test_nothing_is_overwritten_or_left_half_done(tmp_path: Path) -> None:
    source = make(tmp_path / "x.jsonl", 10)
    with pytest.raises(DataError, match="one side would be empty: 10 of 10"):
        run(source, "a", 10)
    (tmp_path / "dev.jsonl").write_text("mine")
    with pytest.raises(DataError, match=r"dev\.jsonl: exists already"):
        split(source, Outputs(tmp_path / "t.jsonl", tmp_path / "dev.jsonl"), 0.5)
    with pytest.raises(DataError, match="both sides"):
        split(source, Outputs(tmp_path / "t.jsonl", tmp_path / "t.jsonl"), 0.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dev.jsonl", "x.jsonl"]


@pytest.mark.parametrize("held_out", [0, 0.0, 1.0, -1, 1.5, True])
def test_sizes_that_make_no_sense(tmp_path: Path, held_out: float | int) -> None:
    with pytest.raises(DataError, match="give a share between 0 and 1, or a number of rows"):
        run(make(tmp_path / "x.jsonl", 10), "a", held_out)


def test_a_bad_row_ends_the_split(tmp_path: Path) -> None:
    source = make(tmp_path / "x.jsonl", 10)
    with source.open("a") as file:
        file.write("{broken\n")
    with pytest.raises(DataError, match=r"x\.jsonl:11: not JSON"):
        run(source, "a", 0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]
