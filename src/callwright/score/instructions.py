"""Sixty short instructions whose answers can be checked: format, length, words. What a model could do before training.

They are plain chat, without tools. A check is about the form that was asked for; what is true is asked only where one
word is (a capital, a sum). The set is this package's own: its figures compare a model with itself, and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from callwright.types import Conversation, Message

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SENTENCE = re.compile(r"[^.!?]*[^\W_][^.!?]*(?:[.!?]+|$)")
_BULLET = re.compile(r"\s*[-*•–]\s*\S")


@dataclass(frozen=True, slots=True)
class Instruction:
    """What is asked, and its checks by name: see `CHECKS`."""

    ask: str
    checks: dict[str, Any]

    @property
    def row(self) -> Conversation:
        """A conversation to ask, which the model is to end."""
        return Conversation(self.ask, (), (Message("user", self.ask), Message("assistant", "")))


@cache
def instructions() -> tuple[Instruction, ...]:
    """All of them, in their order."""
    text = resources.files(__package__).joinpath("instructions.json").read_text(encoding="utf-8")
    return tuple(Instruction(row["ask"], row["checks"]) for row in json.loads(text))


def broken_checks(instruction: Instruction, text: str) -> list[str]:
    """The names of the checks that an answer fails; none where it does all that was asked.

    >>> broken_checks(Instruction("", {"words": 1, "has": ["paris"]}), "It is Paris.")
    ['words']
    """
    said = text.strip()
    return [name for name, wanted in instruction.checks.items() if not said or not CHECKS[name](said, wanted)]


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _bare(text: str) -> str:
    """Without case, spaces beside commas, quotation marks around, and a mark at the end."""
    return re.sub(r"\s*,\s*", ",", text.strip().strip("\"'`").rstrip(".!").casefold())


def _holds(text: str, part: str) -> bool:
    return part in text if not part.isalnum() else part.casefold() in _words(text)


def _json(text: str) -> Any:
    fenced = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", text, re.DOTALL)
    try:
        return json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return None


def _numbered(text: str, count: int) -> bool:
    lines = _lines(text)
    return len(lines) == count and all(re.match(rf"\s*{number}[.)]\s*\S", line) for number, line in enumerate(lines, 1))


def _bullets(text: str, count: int) -> bool:
    lines = _lines(text)
    return len(lines) == count and all(_BULLET.match(line) for line in lines)


def _ends(text: str, end: str) -> bool:
    return text.endswith(end) if not end.isalnum() else _words(text)[-1:] == [end]


CHECKS: dict[str, Callable[[str, Any], bool]] = {
    "words": lambda text, count: len(_words(text)) == count,
    "most_words": lambda text, count: 0 < len(_words(text)) <= count,
    "least_words": lambda text, count: len(_words(text)) >= count,
    "sentences": lambda text, count: len(_SENTENCE.findall(text)) == count,
    "lines": lambda text, count: len(_lines(text)) == count,
    "bullets": _bullets,
    "numbered": _numbered,
    "commas": lambda text, count: len([part for part in text.split(",") if part.strip()]) == count,
    "has": lambda text, parts: all(_holds(text, part) for part in parts),
    "lacks": lambda text, parts: not any(_holds(text, part) for part in parts),
    "starts": lambda text, start: _words(text)[:1] == [start],
    "ends": _ends,
    "only": lambda text, whole: _bare(text) == whole,
    "one_of": lambda text, choices: _bare(text) in choices,
    "case": lambda text, case: text == text.upper() if case == "upper" else text == text.lower(),
    "quoted": lambda text, _: len(text) > 2 and text[0] in '"“' and text[-1] in '"”',
    "json": lambda text, keys: isinstance(value := _json(text), dict) and set(keys) <= value.keys(),
    "json_list": lambda text, count: isinstance(value := _json(text), list) and len(value) == count,
}
"""Check -> whether a text, without spaces around it, passes it as an instruction wants it."""
