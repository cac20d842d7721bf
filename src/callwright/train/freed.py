"""What malloc keeps of freed memory -> handed back before the next pass adds to it.

Passes differ in length, and what one has freed lies between blocks that stay: the next may not fit and takes more.
To hand all of it back after every pass costs speed (`docs/decisions.md`), so it is done where much is held.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

# of what the process had after the largest pass that began with nothing kept
_MUCH = 0.9


class Freed:
    """Looks after every pass. Nothing is done where the C library is not glibc, whose malloc this is about."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
        self._largest = 0
        self._fresh = True

    def after_pass(self) -> bool:
        """Hands memory back where the process holds nearly as much as its largest pass took; whether it did."""
        if self._trim is None:
            return False
        now = resident()
        if self._fresh:
            self._largest = max(self._largest, now)
        self._fresh = now > _MUCH * self._largest
        if self._fresh:
            self._trim(0)
        return self._fresh


def resident() -> int:
    """Bytes of memory that this process holds now; Linux alone says so."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
