"""Callwright: a person's functions in, a small language model that calls them reliably out, with proof.

    import callwright as cw

    tools = cw.load_tools("my_tools.py")
    run = cw.tune("smollm2-135m", cw.make_rows(tools), output="runs/mine", dialect="compact")
    print(cw.evaluate(run, "held_out.jsonl"))

Importing loads nothing; the first use of a name does. Their types are in the stub beside this file, so that the layers
below, which import this package, do not import the one on top.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "callwright.api": (
        "Caller Run Scores evaluate export_model load_rows load_run load_tools make_rows open_model tune"
    ),
    "callwright.errors": "CallwrightError",
    "callwright.types": "Conversation Message Reply Tool ToolCall",
}
_WHERE = {name: module for module, names in _PLACES.items() for name in names.split()}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'callwright' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
