"""What a user names -> raw rows: a file, `hub:OWNER/NAME` through the datasets library, or `bfcl:CATEGORY`."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path

from callwright.data import jsonstream
from callwright.data.files import RawRow, json_value, raw_rows
from callwright.errors import DataError, MissingExtra, did_you_mean
from callwright.types import BadRow

_HUB = re.compile(r"hub:(?P<id>[^#@]+)(?:#(?P<config>[^@]+))?(?:@(?P<split>.+))?")
_BFCL_PREFIX = "BFCL_v4_"


def is_named(source: str) -> bool:
    """Whether a source is a name rather than a file."""
    return source.startswith(("hub:", "bfcl:"))


def source_rows(source: str) -> Iterator[RawRow | BadRow]:
    """The raw rows of a source, streamed. Raises DataError, and MissingExtra for a library that is not installed."""
    if source.startswith("hub:"):
        return _hub_rows(source)
    if source.startswith("bfcl:"):
        return _bfcl_rows(source)
    return raw_rows(source)


def _hub_rows(source: str) -> Iterator[RawRow | BadRow]:
    """`hub:OWNER/NAME`, `#CONFIG` and `@SPLIT` behind it where there are several; 'train' is the split without."""
    named = _HUB.fullmatch(source)
    if named is None:
        raise DataError(source, "write hub:OWNER/NAME, hub:OWNER/NAME#CONFIG or hub:OWNER/NAME#CONFIG@SPLIT")
    try:
        from datasets import load_dataset
    except ImportError:
        raise MissingExtra("hub", "datasets") from None
    try:
        rows = load_dataset(named["id"], named["config"], split=named["split"] or "train", streaming=True)
        for number, value in enumerate(rows, 1):
            where = f"{source}:row {number}"
            try:
                made = json_value(value)
            except ValueError as error:
                yield BadRow(where, f"holds a value that is not JSON: {error}")
                continue
            yield RawRow(where, number, made, json.dumps(made, ensure_ascii=False)[: jsonstream.EXCERPT])
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(source, f"cannot be loaded from the hub: {first}") from error


def _bfcl_rows(source: str) -> Iterator[RawRow | BadRow]:
    """One category of the leaderboard's own wheel, each question with its possible answers."""
    category = source.removeprefix("bfcl:")
    folder = _bfcl_folder()
    if folder is None:
        what = "the leaderboard's data is not installed; run: pip install --no-deps bfcl-eval==2026.3.23"
        raise DataError(source, what)
    file = folder / f"{_BFCL_PREFIX}{category}.json"
    if not file.is_file():
        known = sorted(path.stem.removeprefix(_BFCL_PREFIX) for path in folder.glob(f"{_BFCL_PREFIX}*.json"))
        raise DataError(source, f"unknown category{did_you_mean(category, known)}; known are {', '.join(known)}")
    answers = folder / "possible_answer" / file.name
    known_answers = {}
    if answers.is_file():
        known_answers = {row.value["id"]: row.value for row in raw_rows(answers) if isinstance(row, RawRow)}
    for row in raw_rows(file):
        if isinstance(row, RawRow):
            row.value.update(known_answers.get(row.value.get("id"), {}))
        yield row


def bfcl_installed() -> bool:
    """Whether the leaderboard's wheel is there. It is found, never imported: that would ask for every vendor's SDK."""
    return _bfcl_folder() is not None


def _bfcl_folder() -> Path | None:
    spec = importlib.util.find_spec("bfcl_eval")
    return Path(spec.origin).parent / "data" if spec is not None and spec.origin else None
