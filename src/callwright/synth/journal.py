"""Questions to an endpoint and what came of them -> a file, each on the disk before it counts."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import threading
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from callwright.errors import DataError
from callwright.types import JsonObject


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: a model, chat messages as (role, content), a temperature, and the most tokens of the answer."""

    model: str
    messages: tuple[tuple[str, str], ...]
    temperature: float
    max_tokens: int

    @property
    def key(self) -> str:
        """The same for the same question, in this run and the next."""
        text = json.dumps([self.model, self.messages, self.temperature, self.max_tokens])
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try of a question gave: a `text`, or the reason in `error` with what the server sent in `body`.

    `tokens` count against the cap; `bound` says that the server did not name them and the most it can be was taken.
    `finish` is the endpoint's own word for how the answer ended, `host` its address.
    """

    key: str
    text: str = ""
    error: str = ""
    tokens: int = 0
    bound: bool = False
    host: str = ""
    finish: str = ""
    body: str = ""


class Journal:
    """A JSON lines file: a line before each try of a question, with what it may cost, and one for what came of it.

    A question whose outcome is not there (the process was killed) may have been paid for: it counts with all that it
    may cost. A last line that was cut short is dropped; it was of no consequence yet.

    Raises DataError where the file cannot be used: another run has it open, a line in it is broken, the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, Outcome] = {}
        """By the key of the question."""
        self.given_up: dict[str, str] = {}
        """Questions that failed for good, with the reason: a run that goes on treats them as the first run did."""
        self.tries = 0
        self.lost = 0
        """Questions that were under way when an earlier run was killed."""
        self._settled = 0
        self._open: dict[str, int] = {}
        self._lock = threading.Lock()
        self._file: IO[bytes] | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._load(self._file)
        except DataError:
            self.close()
            raise
        except BlockingIOError:
            self.close()
            raise DataError(str(path), "another run writes to it; wait for its end, or name another output") from None
        except OSError as error:
            self.close()
            raise DataError(str(path), f"cannot be used: {error.strerror or error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def spent(self) -> int:
        """Tokens: of all outcomes, and all that the questions under way may cost."""
        with self._lock:
            return self._settled + sum(self._open.values())

    def intend(self, question: Question, most: int) -> None:
        """Writes down, before it is asked, a question that may cost `most` tokens."""
        asked: JsonObject = {"key": question.key, "most": most, **asdict(question)}
        with self._lock:
            self._write({"asked": asked})
            self._begin(question.key, most)

    def settle(self, outcome: Outcome) -> None:
        """Writes down, before it is used, what came of a question."""
        with self._lock:
            self._write({"outcome": asdict(outcome)})
            self._end(outcome)

    def give_up(self, key: str, why: str) -> None:
        """Writes down that a question is not asked again."""
        with self._lock:
            self._write({"given up": {"key": key, "why": why}})
            self.given_up[key] = why

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _begin(self, key: str, most: int) -> None:
        # asked anew without an outcome in between: the first time was lost, and may have been paid for
        self._settled += self._open.pop(key, 0)
        self._open[key] = most
        self.tries += 1

    def _end(self, outcome: Outcome) -> None:
        self._open.pop(outcome.key, None)
        self._settled += outcome.tokens
        if not outcome.error:
            self.answers[outcome.key] = outcome

    def _write(self, row: JsonObject) -> None:
        if self._file is None:
            raise DataError(str(self.path), "is closed: an earlier line could not be written")
        try:
            self._file.write(json.dumps(row).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            # half a line may stand there: whatever came after it would be lost with it
            self.close()
            raise DataError(str(self.path), f"cannot be written: {error.strerror or error}") from None

    def _load(self, file: IO[bytes]) -> None:
        file.seek(0)
        whole = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataError(
                    f"{self.path}:{number}", f"is no line of a journal ({error}); move the file away"
                ) from None
            whole += len(line)
        file.truncate(whole)
        self.lost = len(self._open)

    def _take(self, row: dict[str, Any]) -> None:
        if "asked" in row:
            self._begin(str(row["asked"]["key"]), int(row["asked"]["most"]))
        elif "given up" in row:
            self.given_up[str(row["given up"]["key"])] = str(row["given up"]["why"])
        else:
            self._end(Outcome(**{field.name: row["outcome"][field.name] for field in fields(Outcome)}))
