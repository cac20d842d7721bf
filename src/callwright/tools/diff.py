"""Old tools + new tools -> what changed, and which of the changes break the calls that were written before."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callwright.types import JsonObject, Tool

_SAME_TOOL = 0.75
_SAME_PARAMETER = 0.7
_SAME_NAME = 0.6


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `what` is a kind: 'tool added', 'parameter renamed', ...; old and new are names or schemas."""

    tool: str
    what: str
    parameter: str = ""
    old: Any = None
    new: Any = None
    breaks: bool = False

    def __str__(self) -> str:
        name = f"{self.tool}.{self.parameter}" if self.parameter else self.tool
        shown = [json.dumps(side, ensure_ascii=False) for side in (self.old, self.new) if side is not None]
        return f"{name}: {self.what}{' ' + ' -> '.join(shown) if shown else ''}"


def diff_tools(old: Sequence[Tool], new: Sequence[Tool]) -> list[Change]:
    """Changes in the order of the old tools, then what was added.

    A tool that is gone and one that is new are taken for one renamed tool where their parameters and descriptions are
    alike; parameters the same way.
    """
    before, after = ({tool.name: tool for tool in tools} for tools in (old, new))
    gone = [tool for tool in old if tool.name not in after]
    added = [tool for tool in new if tool.name not in before]
    renamed = _pairs(gone, added, _tool_likeness, _SAME_TOOL)
    changes: list[Change] = []
    for tool in old:
        other = after.get(tool.name) or renamed.get(tool.name)
        if other is None:
            changes.append(Change(tool.name, "tool removed", breaks=True))
            continue
        if other.name != tool.name:
            changes.append(Change(tool.name, "tool renamed", old=tool.name, new=other.name, breaks=True))
        changes += _changes(tool, other)
    taken = {tool.name for tool in renamed.values()}
    return changes + [Change(tool.name, "tool added") for tool in added if tool.name not in taken]


def _pairs(gone: Sequence[Any], added: Sequence[Any], likeness: Any, least: float) -> dict[str, Any]:
    """Each that is gone with the most alike that is new, best pairs first, nothing used twice."""
    scored = sorted(((likeness(a, b), i, j) for i, a in enumerate(gone) for j, b in enumerate(added)), reverse=True)
    pairs: dict[str, Any] = {}
    used: set[int] = set()
    for score, i, j in scored:
        if score < least:
            break
        if gone[i].name not in pairs and j not in used:
            pairs[gone[i].name] = added[j]
            used.add(j)
    return pairs


def _alike(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a, b, autojunk=False).ratio()


def _tool_likeness(a: Tool, b: Tool) -> float:
    ours, theirs = (list(tool.parameters.get("properties") or {}) for tool in (a, b))
    near = sum(max((_alike(name, other) for other in theirs), default=0.0) >= _SAME_NAME for name in ours)
    shared = near / max(len(ours), len(theirs)) if ours or theirs else 1.0
    described = _alike(a.description, b.description) if a.description or b.description else 0.5
    return 0.4 * shared + 0.3 * described + 0.3 * _alike(a.name, b.name)


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    schema: JsonObject


def _parameter_likeness(a: _Parameter, b: _Parameter) -> float:
    kinds = (
        1.0 if a.schema.get("type") == b.schema.get("type") and a.schema.get("enum") == b.schema.get("enum") else 0.0
    )
    described = [str(side.schema.get("description") or "") for side in (a, b)]
    words = _alike(*described) if all(described) else _alike(a.name, b.name)
    return 0.4 * kinds + 0.3 * words + 0.3 * _alike(a.name, b.name)


def _changes(old: Tool, new: Tool) -> Iterator[Change]:
    if old.description != new.description:
        yield Change(old.name, "description changed", old=old.description, new=new.description)
    before, after = (_schemas(tool) for tool in (old, new))
    required_before, required_after = (set(tool.parameters.get("required") or ()) for tool in (old, new))
    gone = [_Parameter(name, before[name]) for name in before if name not in after]
    added = [_Parameter(name, after[name]) for name in after if name not in before]
    renamed = _pairs(gone, added, _parameter_likeness, _SAME_PARAMETER)
    for name, schema in before.items():
        other = name if name in after else renamed[name].name if name in renamed else None
        if other is None:
            yield Change(old.name, "parameter removed", name, breaks=True)
            continue
        if other != name:
            yield Change(old.name, "parameter renamed", name, name, other, breaks=True)
        yield from _of_schema(old.name, name, schema, after[other])
        if other in required_after and name not in required_before:
            yield Change(old.name, "now required", name, breaks=True)
        elif other not in required_after and name in required_before:
            yield Change(old.name, "no longer required", name)
    taken = {parameter.name for parameter in renamed.values()}
    for parameter in added:
        if parameter.name not in taken:
            needed = parameter.name in required_after
            yield Change(
                old.name, "required parameter added" if needed else "parameter added", parameter.name, breaks=needed
            )


def _schemas(tool: Tool) -> Mapping[str, JsonObject]:
    properties = tool.parameters.get("properties") or {}
    return {name: schema if isinstance(schema, dict) else {} for name, schema in properties.items()}


def _of_schema(tool: str, name: str, old: JsonObject, new: JsonObject) -> Iterator[Change]:
    if old.get("type") != new.get("type"):
        wider = old.get("type") == "integer" and new.get("type") == "number"
        yield Change(tool, "type changed", name, old.get("type"), new.get("type"), breaks=not wider)
    if old.get("enum") != new.get("enum"):
        left = new.get("enum")
        lost = left is not None and (old.get("enum") is None or any(value not in left for value in old["enum"]))
        yield Change(tool, "enum changed", name, old.get("enum"), left, breaks=lost)
    if old.get("default") != new.get("default"):
        yield Change(tool, "default changed", name, old.get("default"), new.get("default"))
    if old.get("description") != new.get("description"):
        yield Change(tool, "description changed", name, old.get("description"), new.get("description"))
    ours, theirs = (
        {k: v for k, v in side.items() if k not in ("type", "enum", "default", "description")} for side in (old, new)
    )
    if ours != theirs:
        # what a schema further admits is not decided here: rows are validated against the new tool
        yield Change(tool, "schema changed", name, ours, theirs, breaks=True)
