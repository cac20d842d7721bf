"""Calls in Python syntax out of a whole text of the usual form, several times as fast as `pyread`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any

from callwright.dialects.parse.quick import SPACE, Calls, Plain, array_only, begin_of, closing_of, several
from callwright.dialects.parse.turn import Block
from callwright.dialects.syntax.jsonread import DEEPEST
from callwright.types import JsonObject, Reply, Tool, ToolCall

_NAME = re.compile(rf"{SPACE}([\w.\-]+){SPACE}\({SPACE}")
_KEY = re.compile(rf"([\w.\-]+){SPACE}={SPACE}")
_SPREAD = re.compile(rf"\*\*{SPACE}(?=\{{)")
_SEPARATOR = re.compile(rf"{SPACE}([,)\]}}]){SPACE}")
_COLON = re.compile(rf"{SPACE}:{SPACE}")
_OPENED = re.compile(rf"[\[{{]{SPACE}")
_TEXT = {"'": re.compile(r"'([^'\\\n]*(?:\\.[^'\\\n]*)*)'"), '"': re.compile(r'"([^"\\\n]*(?:\\.[^"\\\n]*)*)"')}
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]{0,17}))((?:\.[0-9]{1,17})?(?:e[+\-]?[0-9]{1,2})?)(?![\w.+\-])")
_WORD = re.compile(r"True|False|None|true|false|null")
_WORDS = {"True": True, "False": False, "None": None, "true": True, "false": False, "null": None}
_CONSTANTS = (("True", "true"), ("False", "false"), ("None", "null"))
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U(000[0-9a-f]{5})|([ntr'\"\\]))")
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "'": "'", '"': '"', "\\": "\\"}
_HALF = re.compile("[\ud800-\udfff]")
# escapes that JSON does not have, or reads otherwise; it refuses the rest of Python's
_OTHER = ("\\x", "\\U", "\\/")
_STRINGS = re.compile(r"""('[^'\\\n]*(?:\\.[^'\\\n]*)*'|"[^"\\\n]*(?:\\.[^"\\\n]*)*")""")


class _Surprise(Exception):
    """What a reader must look at."""


def keyword_calls(block: Block) -> Calls:
    """`[f(a='x'), g()]`."""
    behind = re.compile(rf"{SPACE}(?:,|({re.escape(block.end)}){closing_of(block)})")
    return several(begin_of(block), behind, _keyword_call)


def _keyword_call(text: str, at: int, tools: Sequence[Tool]) -> tuple[ToolCall, int] | None:
    named = _NAME.match(text, at)
    if named is None:
        return None
    try:
        arguments, end = _arguments(text, named.end())
    except (_Surprise, IndexError):
        return None
    return ToolCall(named[1], arguments), end


def dict_calls(step: str) -> Calls:
    """`{'name': 'f', 'arguments': {...}}`. step: what stands behind each, its group 1 where the block ends."""
    return several(re.compile(SPACE), re.compile(step), _dict_call)


def dicts_between(opening: str, closing: str) -> Plain:
    """Lines of dicts, their names first, between marks at the end of a text."""
    begin = "{'name': "
    following = f"}}\n{begin}"

    def plain(text: str) -> Reply | None:
        place = text.find(opening)
        if place < 0:
            return Reply(text)
        start = place + len(opening)
        if not text.startswith(begin, start) or not text.endswith(closing):
            return None
        lines = text[start : -len(closing)]
        # a quote stands in what follows a line's end, so no string holds one
        if "\n" in lines:
            if lines.count("\n") != lines.count(following):
                return None
            lines = lines.replace("\n", ",")
        made = _as_json(f"[{lines}]")
        return array_only(made, text[:place]) if made else None

    return plain


def _as_json(text: str) -> str | None:
    """Literals on one line -> the same in JSON; what is no literal does not become JSON."""
    if '"' not in text and "\\" not in text:
        if "True" not in text and "False" not in text and "None" not in text:
            return text.replace("'", '"')
        parts, quote = text.split("'"), '"'
    else:
        parts, quote = _STRINGS.split(text), ""
        try:
            parts[1::2] = [
                _string_as_json(part) if "\\" in part or '"' in part else f'"{part[1:-1]}"' for part in parts[1::2]
            ]
        except _Surprise:
            return None
    outside = parts[::2]
    joined = "".join(outside)
    if "'" in joined or '"' in joined:
        return None
    for word, plain in _CONSTANTS:
        if word in joined:
            outside = [part.replace(word, plain) for part in outside]
    parts[::2] = outside
    return quote.join(parts)


def _string_as_json(text: str) -> str:
    """A string in its quotes. Raises _Surprise."""
    inner = text[1:-1]
    if "\\" not in inner:
        return f'"{inner}"' if '"' not in inner else '"' + inner.replace('"', '\\"') + '"'
    for escape in _OTHER:
        if escape in inner:
            made: str = encode_basestring(_unescaped(inner))
            return made
    parts = [part.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"') for part in inner.split("\\\\")]
    return '"' + "\\\\".join(parts) + '"'


def _dict_call(text: str, at: int, tools: Sequence[Tool]) -> tuple[ToolCall, int] | None:
    try:
        value, end = _value(text, at, 0)
        (first, name), (second, arguments) = value.items()
    except (_Surprise, IndexError, AttributeError, ValueError):
        return None
    is_call = (first, second) == ("name", "arguments") and type(name) is str and type(arguments) is dict
    # the closing brace is part of what stands behind
    return (ToolCall(name, arguments), end - 1) if is_call and name else None


def _arguments(text: str, at: int) -> tuple[JsonObject, int]:
    """The arguments, and the place behind the closing parenthesis."""
    arguments: JsonObject = {}
    while text[at] != ")":
        key = _KEY.match(text, at)
        if key is None:
            spread = _SPREAD.match(text, at)
            if spread is None:
                raise _Surprise
            more, at = _value(text, spread.end(), 1)
            if more.keys() & arguments.keys():
                raise _Surprise
            arguments |= more
        elif key[1] in arguments:
            raise _Surprise
        else:
            arguments[key[1]], at = _value(text, key.end(), 0)
        ended = _SEPARATOR.match(text, at)
        if ended is None:
            raise _Surprise
        if ended[1] == ")":
            return arguments, ended.end(1)
        if ended[1] != ",":
            raise _Surprise
        at = ended.end()
    return arguments, at + 1


def _value(text: str, at: int, depth: int) -> tuple[Any, int]:
    """A literal and the place behind it."""
    first = text[at]
    if first in _TEXT:
        found = _TEXT[first].match(text, at)
        if found is None:
            raise _Surprise
        return _unescaped(found[1]) if "\\" in found[1] else found[1], found.end()
    if first in "[{":
        if depth >= DEEPEST:
            raise _Surprise
        return _container(text, at, depth + 1)
    found = _NUMBER.match(text, at)
    if found:
        return float(found.group()) if found[2] else int(found.group()), found.end()
    found = _WORD.match(text, at)
    if found is None:
        raise _Surprise
    return _WORDS[found.group()], found.end()


def _container(text: str, at: int, depth: int) -> tuple[Any, int]:
    closing = "]" if text[at] == "[" else "}"
    opened = _OPENED.match(text, at)
    assert opened
    at = opened.end()
    items: list[Any] = []
    members: JsonObject = {}
    while text[at] != closing:
        value, at = _value(text, at, depth)
        if closing == "}":
            colon = _COLON.match(text, at)
            if colon is None or type(value) is not str or value in members:
                raise _Surprise
            members[value], at = _value(text, colon.end(), depth)
        else:
            items.append(value)
        ended = _SEPARATOR.match(text, at)
        if ended is None or ended[1] not in (",", closing):
            raise _Surprise
        if ended[1] == closing:
            return items if closing == "]" else members, ended.end(1)
        at = ended.end()
    return items if closing == "]" else members, at + 1


def _unescaped(text: str) -> str:
    made, count = _ESCAPE.subn(_character, text)
    # an escape that is left over, or half of a character
    if count != text.replace("\\\\", "\\").count("\\") or _HALF.search(made):
        raise _Surprise
    return made


def _character(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    return chr(int(digits, 16)) if digits else _SIMPLE[found[4]]
