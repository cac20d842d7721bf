"""What happened to every call, as lines of JSON that are only ever appended -> what is known of it afterwards.

A line is on the disk before the call that it announces is made. Each holds the SHA-256 of the one before, so that a
line that was changed or taken away is noticed; one that a killed process left half written is passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from callwright.errors import DataError
from callwright.types import JsonObject, ToolCall

Event = Literal["asked", "refused", "begun", "done", "dry"]
"""asked: a person, with the answer. refused: not run. begun: about to run. done: its result. dry: shown only."""

_FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was read. torn: half written, or no JSON."""

    number: int
    value: JsonObject
    torn: bool = False


def call_key(session: str, place: str, call: ToolCall) -> str:
    """The idempotency key of a call: the same for the same call at the same place of the same session."""
    said = json.dumps([session, place, call.name, call.arguments], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


class AuditLog:
    """A file that is appended to. None keeps the lines in memory only. Raises DataError where it cannot be written."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lines: list[JsonObject] = []
        self._last = _FIRST
        self._lock = threading.Lock()
        if path is not None and path.exists():
            for line in read_log(path):
                if not line.torn:
                    self._lines.append(line.value)
                    self._last = _digest(line.value)

    def add(self, event: Event, key: str, call: ToolCall, **more: Any) -> None:
        """One line, on the disk when this returns."""
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        said = {"at": at, "event": event, "key": key, "name": call.name, "arguments": call.arguments, **more}
        with self._lock:
            value: JsonObject = {**said, "before": self._last}
            if self._path is not None:
                self._write(json.dumps(value, ensure_ascii=False))
            self._last = _digest(value)
            self._lines.append(value)

    def outcome(self, key: str) -> JsonObject | None:
        """The last line of a call: 'begun' where it was never seen to end; None where it never began."""
        found = [line for line in self._lines if line["key"] == key and line["event"] in ("begun", "done", "refused")]
        return found[-1] if found else None

    def __iter__(self) -> Iterator[JsonObject]:
        return iter(self._lines)

    def _write(self, text: str) -> None:
        assert self._path is not None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(number).st_size
                # behind a line that was torn, one of its own
                torn = size > 0 and os.pread(number, 1, size - 1) != b"\n"
                os.write(number, (("\n" if torn else "") + text + "\n").encode())
                os.fsync(number)
            finally:
                os.close(number)
        except OSError as error:
            raise DataError(str(self._path), f"the audit log cannot be written, so no call is made: {error}") from error


def read_log(path: Path) -> list[Line]:
    """All lines of a log. Raises DataError where it cannot be read, or where a line was changed or taken away."""
    try:
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error}") from error
    found: list[Line] = []
    last = _FIRST
    for number, text in enumerate(texts, 1):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            found.append(Line(number, {}, torn=True))
            continue
        if value.get("before") != last:
            raise DataError(f"{path}:{number}", "the line before it was changed or taken away")
        last = _digest(value)
        found.append(Line(number, value))
    return found


def _digest(value: JsonObject) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
