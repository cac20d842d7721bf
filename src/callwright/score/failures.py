"""A report and its failures -> `report.json` and `failures.jsonl` on disk, and back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from callwright.errors import RunError
from callwright.types import JsonObject, Report, Verdict

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """One row that was not exact, as `failures.jsonl` holds it: the field names are the JSON keys.

    request: the last user message. Calls are `{"name", "arguments"}`; broken ones `{"text", "reason"}`. mode: the first
    of `modes`, in which way it failed (`callwright.score.modes`); files of older versions lack both.
    """

    id: str
    where: str
    request: str
    why: str
    expected_calls: list[JsonObject]
    expected_text: str
    got_calls: list[JsonObject]
    got_text: str
    broken_calls: list[JsonObject]
    ending: str
    raw_text: str
    mode: str = ""
    modes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where `write_report` put its two files."""

    report: Path
    failures: Path


def write_report(folder: Path, report: Report, failures: Sequence[Failure]) -> ReportPaths:
    """Write `report.json` and `failures.jsonl` into `folder`, each whole or not at all.

    `report.json` has the stable keys:

    - "format": 1; "run": the run's name
    - "made": the command, the environment and the rows that it came from, where the report knows them
    - "aggregates": as `callwright.score.run.aggregate` gives them
    - "verdicts": row id -> list of `{"metric", "value", "why"}`, "value" null where the metric does not apply

    `failures.jsonl` has one `Failure` a line, and is empty where there are none.
    Raises RunError when the folder cannot be written.
    """
    paths = ReportPaths(folder / "report.json", folder / "failures.jsonl")
    document = {
        "format": FORMAT,
        "run": report.run,
        **({"made": report.made} if report.made else {}),
        "aggregates": report.aggregates,
        "verdicts": {row: [asdict(verdict) for verdict in verdicts] for row, verdicts in report.verdicts.items()},
    }
    lines = (json.dumps(_plain(asdict(failure)), ensure_ascii=False) + "\n" for failure in failures)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(paths.failures, "".join(lines))
        write_atomically(paths.report, json.dumps(_plain(document), ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise RunError(
            f"{folder}: cannot write the report ({error.strerror}); choose a folder you may write"
        ) from error
    return paths


def read_report(path: Path) -> Report:
    """`report.json` -> the Report that was written. Raises RunError when it is absent or not such a file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        verdicts = {
            row: tuple(Verdict(item["metric"], item["value"], item["why"]) for item in items)
            for row, items in document["verdicts"].items()
        }
        found = document["format"]
        report = Report(document["run"], verdicts, document["aggregates"], document.get("made", {}))
    except OSError as error:
        raise RunError(f"{path}: cannot read the report ({error.strerror}); score the run again") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not a report ({error}); score the run again") from error
    if found != FORMAT:
        raise RunError(f"{path}: report format {found!r}, this version reads {FORMAT}; score the run again")
    return report


def read_failures(path: Path) -> list[JsonObject]:
    """The lines of a `failures.jsonl`, in their order. Raises RunError when it is absent or holds anything else."""
    try:
        # split, not splitlines: a model's text may hold other characters that end a line
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        if not all(isinstance(row, dict) and {"id", "expected_calls", "got_calls"} <= row.keys() for row in rows):
            raise ValueError("a line is no failure")
    except OSError as error:
        raise RunError(f"{path}: cannot read the failures ({error.strerror}); score the run again") from error
    except ValueError as error:
        raise RunError(f"{path}: not failures ({error}); score the run again") from error
    return rows


def load_failures(path: str | Path) -> list[JsonObject]:
    """The failures of a report.json, of its folder, of a run's folder (those of the tuned model), or a failures.jsonl.

    Raises RunError where there are none to read, or where the file is of a version that did not say how rows failed.
    """
    given = Path(path)
    places = [given / "tuned" / "failures.jsonl", given / "failures.jsonl"] if given.is_dir() else [given]
    if given.name == "report.json":
        places = [given.with_name("failures.jsonl"), given.parent / "tuned" / "failures.jsonl"]
    file = next((place for place in places if place.is_file()), places[-1])
    failures = read_failures(file)
    if not failures:
        raise RunError(f"{file}: there is no failure in it, so nothing to make rows of")
    if not all(failure.get("mode") for failure in failures):
        raise RunError(f"{file}: does not say how rows failed; score them again with this version")
    return failures


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a crash, sees the old file or the new one, never a part.

    Half a surrogate pair, which a model can write, becomes its escape: in a JSON string that is the same value.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """NaN and the infinities as strings: a model can write them, strict readers of JSON cannot read them."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
