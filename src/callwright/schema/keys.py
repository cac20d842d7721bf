"""What pydantic finds wrong in a file of keys -> a line for each, with the key's place and the nearest known name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from callwright.errors import did_you_mean


def explain(error: ValidationError, root: type[BaseModel]) -> Iterator[str]:
    """A line for each wrong key. root: the model of the whole file."""
    for problem in error.errors():
        location = [part for part in problem["loc"] if part not in ("one", "many")]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)[1:]
        if problem["type"] == "extra_forbidden":
            name = str(location[-1])
            known = list(_part(root, location[:-1]).model_fields)
            near = did_you_mean(name, known)
            yield f"unknown key '{key}'{near or '; known here: ' + ', '.join(known)}"
        elif problem["type"] == "missing":
            yield f"'{key}' is missing"
        elif problem["type"] == "unknown_kind":
            yield f"'{key}': {problem['msg']}"
        else:
            yield f"'{key}': {problem['msg'][0].lower() + problem['msg'][1:]}, got {problem['input']!r}"


def _part(root: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel]:
    """The model class that stands at a place in the file."""
    part: Any = root
    for name in location:
        if isinstance(name, str):
            part = next(_models(part.model_fields[name].annotation))
    return part  # type: ignore[no-any-return]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
