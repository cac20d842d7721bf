"""How large the schemas of a request may be: whatever is sent, the work that it makes is bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from callwright.serve.refusal import RefusalError


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one request. body: bytes. characters: of a schema's JSON. values: of all objects and lists in it. patterns:
    characters of one regular expression. counts: what `minItems`, `maxLength` and the like may ask for."""

    body: int = 4 << 20
    characters: int = 200_000
    depth: int = 48
    values: int = 50_000
    choices: int = 5_000
    patterns: int = 512
    counts: int = 100_000


_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_CHOICES = frozenset({"enum", "anyOf", "oneOf", "allOf"})


def check_schema(schema: Any, where: str, limits: Limits) -> None:
    """Raises RefusalError (400) for a schema that would take too much."""
    if len(json.dumps(schema)) > limits.characters:
        raise RefusalError(400, f"{where}: longer than {limits.characters:,} characters", where)
    unfolded = _Unfolded(schema)
    for values, (depth, path, value) in enumerate(_walk(schema, where), 1):
        if depth > limits.depth:
            raise RefusalError(400, f"{where}: nested deeper than {limits.depth} levels; make it flatter", where)
        if values > limits.values:
            raise RefusalError(400, f"{where}: more than {limits.values:,} values; send fewer or smaller tools", where)
        if isinstance(value, dict):
            _check_keywords(value, path, limits)
            reference = value.get("$ref")
            if isinstance(reference, str) and unfolded.is_endless(reference):
                raise RefusalError(400, f"{path}: '{reference[:64]}' refers to itself and says nothing else", where)
    if unfolded.size(schema) > limits.values:
        what = f"{where}: with its references followed, more than {limits.values:,} values; refer less often"
        raise RefusalError(400, what, where)


def _walk(schema: Any, where: str) -> Iterator[tuple[int, str, Any]]:
    """Every value: how deep it lies, where, and itself."""
    left: list[tuple[int, str, Any]] = [(0, where, schema)]
    while left:
        depth, path, value = left.pop()
        yield depth, path, value
        if isinstance(value, dict):
            left += [(depth + 1, f"{path}.{key[:64]}", item) for key, item in value.items()]
        elif isinstance(value, list):
            left += [(depth + 1, path, item) for item in value]


class _Unfolded:
    """How many values a schema has when every reference is replaced by what it refers to, loops left out."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[str, int] = {}
        self._finite: set[str] = set()

    def size(self, value: Any) -> int:
        """Of a part."""
        if isinstance(value, list):
            return 1 + sum(map(self.size, value))
        if not isinstance(value, dict):
            return 1
        reference = value.get("$ref")
        own = self._pointed(reference) if isinstance(reference, str) else 1
        return own + sum(self.size(part) for key, part in value.items() if key not in ("$defs", "definitions"))

    def _pointed(self, reference: str) -> int:
        if reference not in self._known:
            # what refers to itself ends here
            self._known[reference] = 1
            self._known[reference] = self.size(self._found(reference))
        return self._known[reference]

    def is_endless(self, reference: str) -> bool:
        """Whether it refers to a reference, and so on, and never to anything else."""
        seen: set[str] = set()
        while reference not in self._finite:
            if reference in seen:
                return True
            seen.add(reference)
            found = self._found(reference)
            further = found.get("$ref") if isinstance(found, dict) else None
            if not isinstance(further, str):
                break
            reference = further
        self._finite |= seen
        return False

    def _found(self, reference: str) -> Any:
        found = self._root
        for part in filter(None, reference.removeprefix("#").split("/")):
            key = part.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, dict) else None
        return found


def _check_keywords(schema: dict[str, Any], where: str, limits: Limits) -> None:
    for key in _CHOICES & schema.keys():
        found = schema[key]
        if isinstance(found, list) and len(found) > limits.choices:
            raise RefusalError(400, f"{where}.{key}: {len(found):,} choices; at most {limits.choices:,}", where)
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and len(pattern) > limits.patterns:
        raise RefusalError(400, f"{where}.pattern: longer than {limits.patterns} characters", where)
    for key in _COUNTS & schema.keys():
        count = schema[key]
        if isinstance(count, int | float) and count > limits.counts:
            raise RefusalError(400, f"{where}.{key}: {count}; at most {limits.counts:,}", where)
