"""Entries -> a file that holds each of them before `append` returns, and gives them back after any crash."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from callwright.errors import DataError
from callwright.types import JsonObject


@dataclass
class Journal:
    """An open journal: JSON lines, the first of which says what the others are about. Open it with `open_journal`."""

    path: Path
    header: JsonObject
    _file: IO[bytes]
    _size: int

    def append(self, entry: JsonObject) -> None:
        """On the disk when it returns. Raises DataError where that fails; the journal is then as it was before."""
        line = json.dumps(entry).encode() + b"\n"
        try:
            left = memoryview(line)
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            # half a line on a full disk would spoil the line after it
            os.ftruncate(self._file.fileno(), self._size)
            self._file.seek(self._size)
            what = f"cannot be written: {error.strerror or error}; nothing is decided"
            raise DataError(str(self.path), what) from None
        self._size += len(line)

    def close(self) -> None:
        """Lets another process open it."""
        self._file.close()


def open_journal(path: Path, new: Callable[[], JsonObject]) -> tuple[Journal, list[JsonObject]]:
    """The journal and its entries; `new` makes the header where there is no journal yet.

    A last line that a crash cut short was never acknowledged, and is dropped. Raises DataError where the journal is
    in use, damaged before its last line, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # unbuffered: what a failed write leaves in a buffer would be written later
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise DataError(str(path), f"cannot be written: {error.strerror or error}") from None
    try:
        _lock(file, path)
        file.seek(0)
        data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        file.truncate(len(whole))
        lines = _parsed(whole, path)
        journal = Journal(path, lines[0] if lines else {}, file, len(whole))
        if not lines:
            journal.header = new()
            journal.append(journal.header)
            _sync_folder(path.parent)
    except BaseException:
        file.close()
        raise
    return journal, lines[1:]


def _parsed(whole: bytes, path: Path) -> list[JsonObject]:
    try:
        return [json.loads(line) for line in whole.splitlines()]
    except ValueError as error:
        raise DataError(str(path), f"is damaged ({error}); move it away to begin the review again") from None


def _lock(file: IO[bytes], path: Path) -> None:
    """The system lets go of the lock when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DataError(str(path), "another 'callwright data review' has this review open") from None


def _sync_folder(folder: Path) -> None:
    """The name of a new file is on the disk only when its folder is."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
