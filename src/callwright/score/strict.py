"""A reply and its raw text -> was every call block strict JSON, with no repair and nothing else inside?

A parser may be lenient, and a server's own parser may not be. This reads the raw text again with the strictest
reader, and compares what it finds with the calls that the parser gave.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from callwright.score.calls import match_arguments
from callwright.types import JsonObject, Reply, ToolCall, Verdict

STRICT_JSON = "strict_json"

BLOCKS = {
    "<tool_call>": "</tool_call>",
    "<calls>": "</calls>",
    "<|tool_call_start|>": "<|tool_call_end|>",
    "<|START_ACTION|>": "<|END_ACTION|>",
}
"""Delimiters of the families that put whole calls as JSON between two marks."""

# Qwen3-Coder, GLM, LFM2 and others put no JSON between the same marks: strict JSON is no question there.
_OTHER_BODY = re.compile(r"\s*(<function=|[\w.-]+\s*<arg_key>|\[?[\w.]+\()")
_PYTHONIC = re.compile(r"\s*\[[\w.]+\(")
_ANY_OPENING = re.compile("|".join(re.escape(opening) for opening in BLOCKS))
_SPACE = re.compile(r"\s*")
_BRACKET = re.compile(r"[\[{]")
_JSON_LIKE = re.compile(r"""[\[{]\s*[\[{"']""")


@dataclass(frozen=True, slots=True)
class _Found:
    """Calls that the raw text holds as JSON (name "" where it stands outside the JSON).

    `fault` names what is not strict; `foreign` is a family that writes no JSON.
    """

    calls: tuple[ToolCall, ...] = ()
    fault: str = ""
    foreign: bool = False


def strict_json(reply: Reply, raw_text: str) -> Verdict:
    r"""1 when every call block that the model opened is strict JSON and holds exactly the calls of `reply`.

    None when the reply has neither calls nor broken calls, and for families that do not write calls as JSON.
    Not strict: Python literals, NaN, a key given twice, `arguments` as a string, an unclosed block, a code fence
    or any other text inside a block.

    >>> call = ToolCall("f", {"a": 1})
    >>> strict_json(Reply("", (call,)), '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>').value
    1.0
    >>> strict_json(Reply("", (call,)), "<tool_call>{'name': 'f', 'arguments': {'a': 1}}</tool_call>").value
    0.0
    """
    if reply.broken:
        return Verdict(STRICT_JSON, 0.0, f"broken call: {reply.broken[0].reason}")
    if not reply.calls:
        return Verdict(STRICT_JSON, None)
    found = _in_blocks(raw_text) if _ANY_OPENING.search(raw_text) else _anywhere(raw_text)
    if found.foreign:
        return Verdict(STRICT_JSON, None)
    if found.fault:
        return Verdict(STRICT_JSON, 0.0, found.fault)
    if len(found.calls) != len(reply.calls) or not all(map(_same, found.calls, reply.calls)):
        return Verdict(STRICT_JSON, 0.0, "the calls were repaired: strict JSON gives others")
    return Verdict(STRICT_JSON, 1.0)


def _in_blocks(text: str) -> _Found:
    calls: list[ToolCall] = []
    opening = _ANY_OPENING.search(text)
    while opening:
        closing, place = BLOCKS[opening.group()], _skip_space(text, opening.end())
        if _OTHER_BODY.match(text, place):
            return _Found(foreign=True)
        if text.startswith(closing, place):
            return _Found(fault=f"empty call block at character {place}")
        while not text.startswith(closing, place):
            try:
                value, end = _DECODER.raw_decode(text, place)
                calls += _calls_in(value)
            except (ValueError, RecursionError) as error:
                return _Found(fault=f"not strict JSON at character {place}: {_reason(error)}")
            place = _skip_space(text, end)
        opening = _ANY_OPENING.search(text, place + len(closing))
    return _Found(tuple(calls))


def _anywhere(text: str) -> _Found:
    """Calls of families without such marks: every JSON object or array in the text, with or without the name."""
    if _PYTHONIC.match(text):
        return _Found(foreign=True)
    calls: list[ToolCall] = []
    opening = _BRACKET.search(text)
    while opening:
        place = opening.start()
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            # Going on inside a broken value could find sound arguments in an unsound call.
            if _JSON_LIKE.match(text, place):
                return _Found(fault=f"not strict JSON at character {place}: {_reason(error)}")
            end = place + 1
        else:
            calls += _calls_or_arguments(value)
        opening = _BRACKET.search(text, end)
    return _Found(tuple(calls), foreign=not calls)


def _calls_in(value: Any) -> Iterator[ToolCall]:
    """One call object, or an array of them. Raises ValueError on anything else."""
    for item in value if isinstance(value, list) else [value]:
        fields = item if isinstance(item, dict) else {}
        name = fields.get("name", fields.get("tool_name"))
        arguments = fields.get("arguments", fields.get("parameters"))
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise ValueError("no call with a name and an arguments object")
        yield ToolCall(name, arguments)


def _calls_or_arguments(value: Any) -> list[ToolCall]:
    """As `_calls_in`; an object that is no call is the arguments of one whose name stands before it (Mistral, Kimi)."""
    try:
        return list(_calls_in(value))
    except ValueError:
        return [ToolCall("", value)] if isinstance(value, dict) else []


def _same(strict: ToolCall, parsed: ToolCall) -> bool:
    return strict.name in ("", parsed.name) and all(match_arguments(strict.arguments, parsed.arguments, None).values())


def _skip_space(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    return space.end() if space else place


def _reason(error: Exception) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _unique_keys(pairs: list[tuple[str, Any]]) -> JsonObject:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is given twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)
