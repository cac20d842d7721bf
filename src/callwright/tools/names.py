"""Any text -> a name that a model can call: letters, digits, `_` and `-`, at most 64 characters, no two alike."""

from __future__ import annotations

import re

LONGEST_NAME = 64
"""Characters: what OpenAI's API takes, and with it most servers."""

_OTHER = re.compile(r"[^A-Za-z0-9_-]+")


def callable_name(text: str, taken: set[str]) -> str:
    """The text with every other run of characters as one `_`, numbered where that name is taken; it is then taken too.

    >>> callable_name("get /pets/{id}", {"get_pets_id"})
    'get_pets_id_2'
    """
    base = _OTHER.sub("_", text).strip("_")[:LONGEST_NAME] or "tool"
    name, number = base, 1
    while name in taken:
        number += 1
        tail = f"_{number}"
        name = base[: LONGEST_NAME - len(tail)] + tail
    taken.add(name)
    return name
