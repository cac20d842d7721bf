"""Rows that were not exact -> what the page lists of each: request, calls side by side, and the raw text by meaning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callwright.report.spans import pieces
from callwright.score.calls import match_calls
from callwright.types import JsonObject, Tool, ToolCall

MOST_BYTES = 4_000_000
"""Of all listed rows together, so that a page stays light; a report of many long replies lists the first ones."""

_LONGEST_RAW = 4_000

OK, WRONG, MISSING, EXTRA = "ok", "wrong", "missing", "extra"


@dataclass(frozen=True)
class Listing:
    """The rows that a page lists, as JSON, of so many."""

    json: str
    listed: int
    total: int


def listing(rows: Iterable[tuple[JsonObject, Mapping[str, Any]]], tools: Sequence[Tool]) -> Listing:
    """Failures, each with what else the page shall know of it, as one JSON array for a script element.

    Every "<" in it is written as its escape: no text of a model can end the element.
    """
    lines: list[str] = []
    size = total = 0
    for failure, more in rows:
        total += 1
        line = json.dumps({**miss(failure, tools), **more}, ensure_ascii=False, separators=(",", ":"))
        line = line.replace("<", "\\u003c")
        size += len(line.encode("utf-8", "backslashreplace")) + 2
        if size <= MOST_BYTES:
            lines.append(line)
    return Listing("[" + ",\n".join(lines) + "]", len(lines), total)


def miss(failure: JsonObject, tools: Sequence[Tool]) -> JsonObject:
    """One row of the page. tools: the run's own, for the defaults that make a left out argument right."""
    expected, got = failure["expected_calls"], failure["got_calls"]
    broken = failure.get("broken_calls") or []
    raw = failure.get("raw_text") or ""
    cut = raw if len(raw) <= _LONGEST_RAW else raw[:_LONGEST_RAW] + "…"
    row = {
        "id": failure["id"],
        "where": failure.get("where") or "",
        "request": failure.get("request") or "",
        "why": failure.get("why") or "",
        "mode": failure.get("mode") or "",
        "modes": list(failure.get("modes") or ())[1:],
        "due": sorted({call["name"] for call in expected}),
        "given": sorted({call["name"] for call in got}),
        "calls": beside(expected, got, tools),
        "texts": _texts(failure),
        "broken": [str(call.get("reason", "")) for call in broken],
        "ending": failure.get("ending", "stop"),
        "raw": pieces(cut, got, failure.get("got_text") or "", broken),
    }
    return {key: value for key, value in row.items() if value not in ("", [], "stop")}


def beside(expected: Sequence[JsonObject], got: Sequence[JsonObject], tools: Sequence[Tool]) -> list[list[Any]]:
    """Calls side by side: `[name, state, [[argument, state, expected, got], ...]]`, states OK, WRONG, MISSING (due, not
    given) or EXTRA (given, not due). Values are JSON text, "" where there is none.

    >>> beside([{"name": "f", "arguments": {"x": 1}}], [{"name": "f", "arguments": {"x": 2}}], ())
    [['f', 'wrong', [['x', 'wrong', '1', '2']]]]
    """
    match = match_calls(_calls(expected), _calls(got), tools)
    found: list[list[Any]] = []
    for pair in match.pairs:
        due, given = pair.expected.arguments, pair.got.arguments
        arguments = [
            [key, OK if equal else _state(key, due, given), _text(key, due), _text(key, given)]
            for key, equal in pair.arguments.items()
        ]
        found.append([pair.expected.name, OK if pair.exact else WRONG, arguments])
    for call in match.missing:
        found.append([call.name, MISSING, [[key, MISSING, _text(key, call.arguments), ""] for key in call.arguments]])
    for call in match.spurious:
        found.append([call.name, EXTRA, [[key, EXTRA, "", _text(key, call.arguments)] for key in call.arguments]])
    return found


def _state(key: str, due: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    if key not in given:
        return MISSING
    return WRONG if key in due else EXTRA


def _text(key: str, arguments: Mapping[str, Any]) -> str:
    return json.dumps(arguments[key], ensure_ascii=False) if key in arguments else ""


def _calls(calls: Sequence[JsonObject]) -> list[ToolCall]:
    return [ToolCall(call["name"], call["arguments"]) for call in calls]


def _texts(failure: JsonObject) -> list[str]:
    """The expected text and the given one, where a text was due or came."""
    texts = [failure.get("expected_text") or "", failure.get("got_text") or ""]
    return texts if any(texts) else []
