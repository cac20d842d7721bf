"""Splits: the same side for the same id, exact sizes, whole tool sets, nothing overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from callwright.data import conversations, write
from callwright.data.split import Outputs, SplitCounts, split
from callwright.errors import DataError
from callwright.tools.jsonfile import tool_from_json
from callwright.types import Conversation, Message

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
def test_tool_sets_stay_together(tmp_path: Path, held_out: float | int) -> None:
    source = make(tmp_path / "x.parquet", 300)
    counts, train, dev = run(source, "a", held_out, by="tools")
    sets = {row.id: frozenset(tool.name for tool in row.tools) for row in conversations(source)}
    assert not {sets[name] for name in train} & {sets[name] for name in dev}
    wanted = round(held_out * 300) if isinstance(held_out, float) else held_out
    assert wanted - 15 < counts.held_out <= wanted


def test_one_tool_set_cannot_be_split_by_tools(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", (Conversation(str(i), (TOOLS[0],), ()) for i in range(9)))
    with pytest.raises(DataError, match="the smallest of 1 tool sets has 9 rows"):
        run(tmp_path / "x.jsonl", "a", 3, by="tools")
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]


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
