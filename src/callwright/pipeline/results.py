"""Results, row by row -> a file that a killed run leaves whole, and the next goes on with."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from callwright.errors import RunError
from callwright.types import JsonObject


class Results:
    """JSON lines: first the settings, then a row each, on the disk as they come; in memory alone without a path.

    A last line that was cut short is dropped, and its row is asked again. Raises RunError where the file holds results
    of other settings (with `anew` these are dropped), belongs to a run that goes on, or cannot be used.
    """

    def __init__(self, path: Path | None, settings: JsonObject, *, anew: bool = False) -> None:
        self.path = path
        self.rows: dict[str, JsonObject] = {}
        """By id, in the order of the file."""
        self._file: IO[bytes] | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = self._load(path, self._file)
        except BlockingIOError:
            self.close()
            raise RunError(f"{path}: another run writes to it; wait for its end, or name another --output") from None
        except OSError as error:
            self.close()
            raise RunError(f"{path}: cannot be used: {error.strerror or error}") from None
        plain = json.loads(json.dumps(settings))
        if found is not None and found != plain and anew:
            self._file.truncate(0)
            self.rows, found = {}, None
        if found is None:
            self._write([{"settings": plain}])
        elif found != plain:
            self.close()
            keys = ", ".join(key for key in sorted({*found, *plain}) if found.get(key) != plain.get(key))
            raise RunError(f"{path}: holds results of other settings ({keys}); give another --output, or delete it")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def add(self, rows: Sequence[JsonObject]) -> None:
        """Writes rows that are not there yet, each with an 'id'."""
        new = [row for row in rows if row["id"] not in self.rows]
        if self._file is not None:
            self._write(new)
        self.rows |= {row["id"]: row for row in new}

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _write(self, rows: Sequence[JsonObject]) -> None:
        assert self._file is not None
        try:
            self._file.write(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self.close()
            raise RunError(f"{self.path}: cannot be written: {error.strerror or error}") from None

    def _load(self, path: Path, file: IO[bytes]) -> JsonObject | None:
        """Reads what is there -> the settings; None in a new file."""
        file.seek(0)
        settings: JsonObject | None = None
        whole = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                row = json.loads(line)
                if number == 1:
                    settings = row["settings"]
                else:
                    self.rows[row["id"]] = row
            except (ValueError, KeyError, TypeError) as error:
                self.close()
                raise RunError(f"{path}:{number}: is no line of results ({error}); move the file away") from None
            whole += len(line)
        file.truncate(whole)
        return settings
