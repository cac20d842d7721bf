"""Calls whose values stand raw between marks: which marks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Markup:
    """Where a family puts its marks: name_end behind the name, then for each argument key_open KEY key_end VALUE
    value_end, then close. White space around marks may be missing when it is read, where it is no part of a value.
    A value that holds its own end cannot be written: lint finds it.
    """

    name_end: str
    key_open: str
    key_end: str
    value_end: str
    close: str
