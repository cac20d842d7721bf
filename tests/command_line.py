"""What the fixture `callwright` of tests/cli is."""

from __future__ import annotations

from collections.abc import Callable

Cli = Callable[..., tuple[int, str, str]]
"""Words of a command -> (exit code, stdout, stderr)."""
