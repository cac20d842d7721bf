"""Every error that Callwright raises on purpose: each says where, what, and what to do.

CallwrightError            exit code 2; printed as one line, never a traceback
  DataError                a data file or one of its rows (`where` is "file:line")
  ToolError                a tool definition, or the Python function it came from
  RecipeError              a recipe key or value
  ModelError               a model folder, tokenizer or adapter
  RunError                 a run folder: what it holds, what may not be overwritten
  EngineError              a worker process that died, or an engine that cannot be used
  HubError                 the hub refused, or could not be reached
  MissingExtra             an optional dependency, with the line that installs it
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST_NAME = 200


class CallwrightError(Exception):
    """Base of all errors here. `str(error)` is the whole message for the user."""


class DataError(CallwrightError):
    """A data file or row that cannot be used.

    >>> str(DataError("train.jsonl:17", "tool 'get_wether' is not declared"))
    "train.jsonl:17: tool 'get_wether' is not declared"
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what


class ToolError(CallwrightError):
    """A tool definition that cannot be read or is not valid."""


class RecipeError(CallwrightError):
    """A recipe key or value that is not valid."""


class ModelError(CallwrightError):
    """A model, tokenizer or adapter that cannot be used as it is."""


class RunError(CallwrightError):
    """A run folder that cannot be written or resumed."""


class EngineError(CallwrightError):
    """Work that other processes could not do."""


class HubError(CallwrightError):
    """A repository on the hub that cannot be read or written."""


class MissingExtra(CallwrightError):
    """An optional dependency is absent; the message is the line that installs it."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'callwright[{extra}]'")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The tail of an error message that offers the nearest known name, or nothing.

    >>> did_you_mean("get_wether", ["get_weather", "set_alarm"])
    "; did you mean 'get_weather'?"
    >>> did_you_mean("zzz", ["get_weather"])
    ''
    """
    # difflib takes seconds over a name of megabytes, which is no name
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6) if len(name) <= _LONGEST_NAME else []
    return f"; did you mean '{near[0]}'?" if near else ""
