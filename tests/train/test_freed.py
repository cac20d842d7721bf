"""Freed memory is handed back when a pass leaves much of it, and left to malloc otherwise."""

from __future__ import annotations

import sys

import pytest

from callwright.train import freed
from callwright.train.freed import Freed, resident

GLIBC = sys.platform == "linux"


def _after(monkeypatch: pytest.MonkeyPatch, pages: list[int]) -> list[bool]:
    """What is done after passes that leave a process of so many pages."""
    left = iter(pages)
    monkeypatch.setattr(freed.Path, "read_text", lambda _, encoding: f"9 {next(left)} 9")
    watched = Freed()
    return [watched.after_pass() for _ in pages]


@pytest.mark.skipif(not GLIBC, reason="malloc_trim is glibc's")
def test_much_is_handed_back_and_little_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # the first sets the measure; 80 of 100 are kept, what grew to 95 is not; 120 after a fresh start is the new measure
    assert _after(monkeypatch, [100, 80, 85, 95, 120, 100, 107]) == [True, False, False, True, True, False, False]


@pytest.mark.skipif(not GLIBC, reason="malloc_trim is glibc's")
def test_the_process_gets_smaller() -> None:
    blocks = [bytearray(60_000) for _ in range(4_000)]
    keep = blocks[::500]
    before = resident()
    del blocks
    assert Freed().after_pass()
    assert resident() < before - 150_000_000
    assert keep
