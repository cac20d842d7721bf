"""Gold calls, the model's calls and their tools -> which calls pair up, and which arguments are right.

Equality is by JSON type and nothing is normalised: "1.5" is not "15", "5" is not 5, true is not 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from callwright.types import JsonObject, Tool, ToolCall

_ABSENT: Final = object()
_REF_DEPTH = 4
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class CallPair:
    """A gold call and the call that answers it. `arguments`: is each argument that either of them gives equal?"""

    expected: ToolCall
    got: ToolCall
    arguments: dict[str, bool]

    @property
    def exact(self) -> bool:
        return all(self.arguments.values())


@dataclass(frozen=True, slots=True)
class CallMatch:
    """The best pairing of gold and given calls.

    names_equal: the same names, each as often. arguments_total: over pairs, every argument that either side
    gives; over `missing` calls, every argument of the gold call. `why`: the first difference, "" when exact.
    """

    exact: bool
    names_equal: bool
    arguments_right: int
    arguments_total: int
    pairs: tuple[CallPair, ...]
    missing: tuple[ToolCall, ...]
    spurious: tuple[ToolCall, ...]
    why: str


def match_arguments(expected: JsonObject, got: JsonObject, parameters: JsonObject | None) -> dict[str, bool]:
    """Two calls' arguments -> for each argument of either, whether both agree.

    Strings are equal exactly; numbers by value (JSON Schema calls 5.0 an integer), and a boolean is no number;
    objects whatever the key order; arrays in order, unless the schema says `uniqueItems`. An argument that one
    side omits equals its schema `default` on the other. `parameters` is None where the tool is not declared.

    >>> match_arguments({"n": 5, "city": "Rome"}, {"city": "rome", "n": 5.0}, None)
    {'n': True, 'city': False}
    >>> match_arguments({}, {"unit": "C"}, {"type": "object", "properties": {"unit": {"default": "C"}}})
    {'unit': True}
    """
    return _match_members(expected, got, schema_places(parameters, parameters), parameters)


def match_calls(expected: Sequence[ToolCall], got: Sequence[ToolCall], tools: Sequence[Tool]) -> CallMatch:
    """Gold calls and given calls, in any order -> their best pairing.

    Only calls of one name pair up, so that arguments never count as right for the wrong function. The pairing has
    the most exact pairs, then the most equal arguments, so the order of parallel calls never changes the outcome.

    >>> timer = ToolCall("set_timer", {"minutes": 10})
    >>> match_calls([timer], [ToolCall("set_timer", {"minutes": 1})], []).why
    'set_timer.minutes: expected 10, got 1'
    """
    partner: dict[int, tuple[int, dict[str, bool]]] = {}
    for name in dict.fromkeys([call.name for call in expected]):
        wanted = [i for i, call in enumerate(expected) if call.name == name]
        given = [j for j, call in enumerate(got) if call.name == name]
        # of tools with one name the last counts
        parameters = next((tool.parameters for tool in reversed(tools) if tool.name == name), None) if given else None
        grid = [[match_arguments(expected[i].arguments, got[j].arguments, parameters) for j in given] for i in wanted]
        if len(wanted) == len(given) == 1:
            partner[wanted[0]] = (given[0], grid[0][0])
            continue
        for row, column in _assign(_profits(grid, [len(expected[i].arguments) for i in wanted])):
            partner[wanted[row]] = (given[column], grid[row][column])
    pairs = tuple(CallPair(expected[i], got[partner[i][0]], partner[i][1]) for i in sorted(partner))
    missing = tuple(call for i, call in enumerate(expected) if i not in partner)
    used = {j for j, _ in partner.values()}
    spurious = tuple(call for j, call in enumerate(got) if j not in used)
    return CallMatch(
        exact=not missing and not spurious and all(pair.exact for pair in pairs),
        names_equal=sorted([call.name for call in expected]) == sorted([call.name for call in got]),
        arguments_right=sum(sum(pair.arguments.values()) for pair in pairs),
        arguments_total=sum(len(pair.arguments) for pair in pairs) + sum(len(call.arguments) for call in missing),
        pairs=pairs,
        missing=missing,
        spurious=spurious,
        why=_first_difference(pairs, missing, spurious),
    )


def shown(value: object) -> str:
    """A JSON value for a message: on one line, shortened, and always encodable.

    >>> shown({"city": "Rome"})
    '{"city": "Rome"}'
    """
    text = json.dumps(value, ensure_ascii=False, default=repr)
    # A model can write half a surrogate pair ("\ud83d"), which no terminal or file accepts.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def schema_places(schema: Any, root: Any, depth: int = _REF_DEPTH) -> list[JsonObject]:
    """A schema with the local `$ref` and the branches that it holds: all places where a keyword may stand."""
    if not isinstance(schema, dict) or depth == 0:
        return []
    found: list[JsonObject] = [schema]
    if isinstance(schema.get("$ref"), str):
        found += schema_places(_resolve(schema["$ref"], root), root, depth - 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for branch in schema.get(keyword) or ():
            found += schema_places(branch, root, depth - 1)
    return found


def _resolve(ref: str, root: Any) -> Any:
    """What "#/$defs/City" points at, or None. References to other documents are not followed."""
    place = root if ref.startswith("#") else None
    for part in ref.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        place = place.get(key) if isinstance(place, dict) else None
    return place


def _match_members(
    expected: Mapping[str, Any], got: Mapping[str, Any], schemas: Sequence[JsonObject], root: Any
) -> dict[str, bool]:
    matched: dict[str, bool] = {}
    for key in dict.fromkeys((*expected, *got)):
        declared = [
            place
            for schema in schemas
            if isinstance(schema.get("properties"), dict)
            for place in schema_places(schema["properties"].get(key), root)
        ]
        default = next((place["default"] for place in declared if "default" in place), _ABSENT)
        left, right = expected.get(key, default), got.get(key, default)
        matched[key] = left is not _ABSENT and right is not _ABSENT and _equal(left, right, declared, root)
    return matched


def _equal(expected: Any, got: Any, schemas: Sequence[JsonObject], root: Any) -> bool:
    if isinstance(expected, dict) and isinstance(got, dict):
        return all(_match_members(expected, got, schemas, root).values())
    if isinstance(expected, list) and isinstance(got, list):
        items = [place for schema in schemas for place in schema_places(schema.get("items"), root)]
        unordered = any(schema.get("uniqueItems") is True for schema in schemas)
        return len(expected) == len(got) and _equal_items(expected, got, items, root, unordered=unordered)
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, (int, float)) and isinstance(got, (int, float)):
        # The second clause: NaN, which Python's JSON reader lets through, equals itself here.
        return expected == got or (expected != expected and got != got)
    return type(expected) is type(got) and bool(expected == got)


def _equal_items(
    expected: Sequence[Any], got: Sequence[Any], items: Sequence[JsonObject], root: Any, *, unordered: bool
) -> bool:
    if not unordered:
        return all(_equal(left, right, items, root) for left, right in zip(expected, got, strict=True))
    # First come, first served is enough: equality is transitive, so equal items are interchangeable.
    rest = list(got)
    for left in expected:
        place = next((k for k, right in enumerate(rest) if _equal(left, right, items, root)), None)
        if place is None:
            return False
        del rest[place]
    return True


def _profits(grid: Sequence[Sequence[dict[str, bool]]], sizes: Sequence[int]) -> list[list[int]]:
    """Every possible pair's worth: exact first, then arguments right, then few that the gold call lacks.

    sizes: how many arguments each gold call (a row of the grid) has. The last rule fixes `arguments_total`, which
    would otherwise depend on the order of the calls.
    """
    per_argument = 1 + sum(len(cell) for row in grid for cell in row)
    per_exact = per_argument * per_argument
    return [
        [all(cell.values()) * per_exact + sum(cell.values()) * per_argument - (len(cell) - size) for cell in row]
        for row, size in zip(grid, sizes, strict=True)
    ]


def _assign(profits: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Rows x columns of worth -> (row, column) pairs of the greatest sum; every row or every column is used."""
    if not profits or not profits[0]:
        return []
    if len(profits) > len(profits[0]):
        return [(row, column) for column, row in _assign([list(column) for column in zip(*profits, strict=True)])]
    # The Hungarian method with potentials, O(rows^2 columns): exact at any size, so that no row of a test set
    # is scored by a heuristic. Index 0 of each list is a sentinel.
    rows, columns = len(profits), len(profits[0])
    row_price, column_price = [0] * (rows + 1), [0] * (columns + 1)
    owner = [0] * (columns + 1)
    for row in range(1, rows + 1):
        owner[0], column = row, 0
        slack: list[float] = [float("inf")] * (columns + 1)
        came_from, visited = [0] * (columns + 1), [False] * (columns + 1)
        while owner[column]:
            visited[column] = True
            current = owner[column]
            for j in range(1, columns + 1):
                reduced = -profits[current - 1][j - 1] - row_price[current] - column_price[j]
                if not visited[j] and reduced < slack[j]:
                    slack[j], came_from[j] = reduced, column
            nearest = min((j for j in range(1, columns + 1) if not visited[j]), key=slack.__getitem__)
            step = int(slack[nearest])
            for j in range(columns + 1):
                if visited[j]:
                    row_price[owner[j]] += step
                    column_price[j] -= step
                else:
                    slack[j] -= step
            column = nearest
        while column:
            owner[column] = owner[came_from[column]]
            column = came_from[column]
    return [(owner[j] - 1, j - 1) for j in range(1, columns + 1) if owner[j]]


def _first_difference(pairs: Sequence[CallPair], missing: Sequence[ToolCall], spurious: Sequence[ToolCall]) -> str:
    if missing and spurious:
        return f"expected a call of {missing[0].name}, got {spurious[0].name}"
    if missing:
        return f"missing call of {missing[0].name} {shown(missing[0].arguments)}"
    for pair in pairs:
        for key, equal in pair.arguments.items():
            if not equal:
                wanted = shown(pair.expected.arguments[key]) if key in pair.expected.arguments else "nothing"
                given = shown(pair.got.arguments[key]) if key in pair.got.arguments else "nothing"
                return f"{pair.expected.name}.{key}: expected {wanted}, got {given}"
    if spurious:
        return f"unexpected call of {spurious[0].name} {shown(spurious[0].arguments)}"
    return ""
