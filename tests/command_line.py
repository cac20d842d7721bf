"""The command line, as a user types it, in the tests' process."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from callwright import cli

Cli = Callable[..., tuple[int, str, str]]
"""Words of a command, and `stdin` -> (exit code, stdout, stderr)."""


def command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a verb in the working directory."""

    def call(*words: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["callwright", *words])
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = 0
        try:
            cli.main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call
