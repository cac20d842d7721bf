"""The command line in an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import Cli, command_line


@pytest.fixture
def callwright(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Runs a verb in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capsys)
