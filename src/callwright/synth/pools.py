"""pools.yaml -> word lists by name, read once when the first is asked for."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def pools() -> dict[str, Any]:
    """Every list of the file."""
    text = (files("callwright.synth") / "pools.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


@cache
def verbs() -> frozenset[str]:
    """Verbs that a request may open with, in their base form."""
    return frozenset(f"{pools()['asking']} {pools()['doing']}".split())
