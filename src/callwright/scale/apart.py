"""A process apart with limits, spoken to in lines of JSON: the side that starts it, and what the side inside needs."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from callwright.types import JsonObject

_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
"""Of the environment: what programs need to run, and nothing that could be a key."""

_WRITTEN_FILE = 16 << 20
_OPEN_FILES = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one question: seconds by the clock, seconds of processor time, MiB of memory on top of what loading took.

    `load_seconds` is what the process may take until it is ready.
    """

    call_seconds: float = 5.0
    cpu_seconds: int = 5
    megabytes: int = 1024
    load_seconds: float = 60.0


class Ended(Exception):
    """The process gave no answer, and is gone; the message says why."""


class Apart:
    """A Python module as a process: an empty working folder, no environment but the paths, a session of its own.

    Its arguments are `words`, then the seconds of processor time and the MiB that it shall set as its own limits.
    **It is no jail**: it still writes the files and reaches the network that the user can.
    """

    def __init__(self, module: str, words: Sequence[str], limits: Limits) -> None:
        self._module, self._words, self._limits = module, list(words), limits
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def running(self) -> bool:
        """Whether there is a process, and it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process, and of its group; 0 where there is none."""
        return self._process.pid if self._process else 0

    def start(self) -> JsonObject | None:
        """Starts the process anew -> the first line that it says, None where it ended. Raises TimeoutError."""
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="callwright-", ignore_cleanup_errors=True)
        limits = [str(self._limits.cpu_seconds), str(self._limits.megabytes)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module, *self._words, *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(self._folder.name),
            cwd=self._folder.name,
            start_new_session=True,
        )
        return self._line(self._limits.load_seconds)

    def ask(self, question: JsonObject) -> JsonObject:
        """One line there, one back. Raises Ended, after a time-out too: the process is gone then."""
        assert self._process is not None and self._process.stdin is not None
        answer = None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._line(self._limits.call_seconds)
        except TimeoutError:
            self.close()
            raise Ended(f"no result within {self._limits.call_seconds:g} seconds") from None
        except OSError:
            pass
        if answer is None:
            why = self._why()
            self.close()
            raise Ended(why)
        return answer

    def close(self) -> None:
        """Ends the process, and what it started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            for pipe in (self._process.stdin, self._process.stdout):
                # what was not sent is of no use to a dead process
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _line(self, seconds: float) -> JsonObject | None:
        """The next line of the process, None at its end. Raises TimeoutError."""
        assert self._process is not None and self._process.stdout is not None
        until = time.monotonic() + seconds
        read = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not read.endswith(b"\n"):
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise TimeoutError
                piece = os.read(self._process.stdout.fileno(), 1 << 16)
                if not piece:
                    return None
                read += piece
        line: JsonObject = json.loads(read)
        return line

    def _why(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "the function closed its process's output"
        by = {-signal.SIGXCPU: f"used more than {self._limits.cpu_seconds} seconds of processor time"}
        if code < 0:
            return f"the function {by.get(code, f'crashed: {signal.Signals(-code).name}')}"
        return f"the function ended its process with code {code}"


def lines() -> tuple[IO[bytes], IO[bytes]]:
    """Inside: where questions come from and answers go. What is printed or read otherwise no longer touches these."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return questions, answers


def say(answers: IO[bytes], answer: JsonObject) -> None:
    """Inside: one line of JSON."""
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.flush()


def limit(megabytes: int) -> None:
    """Inside, once all is loaded: so much more memory, small files, few of them, no core dump."""
    held = 0
    statm = Path("/proc/self/statm")
    if statm.exists():
        held = int(statm.read_text().split()[0]) * resource.getpagesize()
    _set(resource.RLIMIT_AS, held + (megabytes << 20))
    _set(resource.RLIMIT_FSIZE, _WRITTEN_FILE)
    _set(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _set(resource.RLIMIT_CORE, 0)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def more_time(cpu_seconds: int) -> None:
    """Inside: each question has its own share of processor time. The soft limit moves on, the hard one is left open
    for that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _set(which: int, most: int) -> None:
    _, hard = resource.getrlimit(which)
    lower = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (lower, lower))


def _environment(folder: str) -> dict[str, str]:
    # a home of its own: credentials are often files there
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # the working folder stands last, so that a file there cannot hide a module of Python's own
    paths = [*(path for path in sys.path if path and Path(path).exists()), str(Path.cwd())]
    return {**kept, "HOME": folder, "TMPDIR": folder, "PYTHONPATH": os.pathsep.join(paths)}
