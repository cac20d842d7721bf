"""JSON and Python literals -> values; what the standard library passes in silence is refused.

`json.loads` keeps the last of two equal keys, reads NaN, which is not JSON, and makes 1e999 infinite: what would be
trained is then not what the file says, or cannot be written again.
"""

from __future__ import annotations

import ast
import json
import math
from collections import Counter
from typing import Any, NoReturn

from callwright.types import JsonObject

_LONGEST_LITERAL = 1 << 20
"""Characters; Python's own parser takes some hundred bytes for each."""

_DEEPEST = 100
"""Levels of an argument or a schema. Python's limit is a thousand, less what happens to be running."""


_LONGEST_SHOWN = 500


class RepeatedKey(ValueError):
    """An object that names a key twice."""

    def __init__(self, key: object) -> None:
        super().__init__(f"the key {str(key)[:80]!r} stands twice in one object; keep one of them")


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise RepeatedKey(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return made


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; write null or leave it out")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def loads(text: str) -> Any:
    """The value of a JSON text. Raises json.JSONDecodeError, RepeatedKey (both ValueErrors), and RecursionError.

    >>> loads('{"a": {"b": 1, "b": 2}}')
    Traceback (most recent call last):
    callwright.data.strict.RepeatedKey: the key 'b' stands twice in one object; keep one of them
    """
    return DECODER.decode(text)


def literal(text: str) -> Any:
    """What Python prints for a value, as JSON holds it: tuples become lists, keys texts. Nothing is run.

    Raises RepeatedKey and other ValueErrors, TypeError, SyntaxError, RecursionError, MemoryError.
    """
    if len(text) > _LONGEST_LITERAL:
        raise ValueError(f"longer than {_LONGEST_LITERAL} characters")
    tree = ast.parse(text.strip(), mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = Counter(key.value for key in node.keys if isinstance(key, ast.Constant))
            if keys and keys.most_common(1)[0][1] > 1:
                raise RepeatedKey(keys.most_common(1)[0][0])
    return json.loads(json.dumps(ast.literal_eval(tree), allow_nan=False))


def too_deep(value: Any) -> str:
    """Why a value is nested too deeply to be worked on; "" where it is not."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return ""
    return f"nested more than {_DEEPEST} deep"


def printable(text: str) -> str:
    """A piece of a row for a message: of bounded length, and without halves of surrogate pairs, which nothing prints.

    >>> printable("half \\ud800")
    'half \\\\ud800'
    """
    cut = text[: _LONGEST_SHOWN + 1]
    shown = cut if cut.isascii() else cut.encode("utf-8", "backslashreplace").decode()
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
