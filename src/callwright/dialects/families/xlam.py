"""The xLAM-60k guides: <calls> with one call a line, as JSON or as Python prints a dict."""

from __future__ import annotations

from collections.abc import Iterator

from callwright.dialects.constrain.rules import Rules
from callwright.dialects.constrain.values import PYTHON, Compiler
from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.cursor import Broken, Cursor, Marks, Reading, unsaid
from callwright.dialects.parse.quick import SPACE, objects, opening_of, quick_reader
from callwright.dialects.parse.turn import Block
from callwright.dialects.syntax.jsoncalls import object_rule, refine, write_object
from callwright.dialects.syntax.jsonread import OpenCall, call_object
from callwright.dialects.syntax.pycalls import literal
from callwright.dialects.syntax.pycalls import refine as refine_python
from callwright.dialects.syntax.pyquick import dict_calls, dicts_between
from callwright.dialects.syntax.pyread import python_value
from callwright.types import JsonObject, Kind, Segment, Tool, ToolCall

_OPEN, _CLOSE = "<calls>", "</calls>"
_OPENINGS = Marks({"open": _OPEN})
_LINE_ENDS = Marks({"line": "\n", "close": _CLOSE})
_READ_JSON = call_object()
_BLOCK = Block(_OPEN, _CLOSE, end=_CLOSE)
_STEP = rf"{SPACE}\}}[ \t\r]*(?:\n{SPACE}(?=\{{)|{SPACE}({_CLOSE}))"
_QUICK = quick_reader(opening_of(_BLOCK, ""), objects(_BLOCK, step=_STEP), ())
_QUICK_DICTS = quick_reader(opening_of(_BLOCK, ""), dict_calls(_STEP), (), plain=dicts_between(_OPEN, _CLOSE))


def _read(cursor: Cursor) -> Reading[None]:
    """Text and blocks. A broken line spoils no other."""
    while True:
        found = yield from cursor.find(_OPENINGS, cursor.say)
        if found is None:
            return
        start, first = found.start(), True
        while True:
            yield from cursor.space()
            if (yield from cursor.literal(_CLOSE)):
                break
            if not first and not (yield from cursor.peek()):
                break
            yield from _line(cursor, start if first else cursor.at)
            first = False


def _line(cursor: Cursor, start: int) -> Reading[None]:
    try:
        if not (yield from cursor.peek()):
            raise cursor.wrong(f"{_CLOSE!r} should come")
        python = yield from _quotes_as_python(cursor)
        call = yield from (_python_dict if python else _READ_JSON)(cursor)
        yield from _line_end(cursor)
    except Broken as error:
        cursor.at = max(error.resync, start)
        ends = yield from cursor.find(_LINE_ENDS, unsaid)
        if ends:
            cursor.at = ends.start()
        cursor.broken(start, cursor.at, error.reason)
    else:
        cursor.call(call)


def _line_end(cursor: Cursor) -> Reading[None]:
    """Nothing but white space may follow a call on its line."""
    while (yield from cursor.peek()) in (" ", "\t", "\r", ","):
        cursor.at += 1
    following = yield from cursor.peek()
    if following in ("", "\n"):
        return
    place = cursor.at
    if not (yield from cursor.literal(_CLOSE)):
        raise cursor.wrong("the line should end")
    cursor.at = place


def _quotes_as_python(cursor: Cursor) -> Reading[bool]:
    """Whether a dict's first key stands in single quotes."""
    if (yield from cursor.peek()) != "{":
        raise cursor.wrong("a call must be an object")
    place = cursor.at
    cursor.at += 1
    yield from cursor.space()
    single = (yield from cursor.peek()) == "'"
    cursor.at = place
    return single


def _python_dict(cursor: Cursor) -> Reading[ToolCall]:
    """`{'name': ..., 'arguments': {...}}`, its keys in any order."""
    call = OpenCall(cursor)
    arguments: JsonObject | None = None
    cursor.at += 1
    yield from cursor.space()
    while (yield from cursor.peek()) != "}":
        key = yield from python_value(cursor)
        yield from cursor.space()
        yield from cursor.expect(":")
        yield from cursor.space()
        start = cursor.at
        if (key == "name" and call.index >= 0) or (key == "arguments" and arguments is not None):
            raise Broken(f"the call has {key!r} twice", cursor.at)
        value = yield from python_value(cursor, call.arguments if key == "arguments" else None)
        if key == "name":
            if not isinstance(value, str) or not value:
                raise Broken("the call has no 'name'", cursor.at)
            cursor.span(start + 1, cursor.at - 1, Kind.NAME)
            call.begin(value)
        elif key == "arguments":
            if not isinstance(value, dict):
                raise Broken(f"'arguments' must be an object, not {type(value).__name__}", cursor.at)
            cursor.span(start, cursor.at, Kind.ARGUMENT)
            arguments = value
        elif key not in ("id", "type"):
            raise Broken(f"a call has no member {key!r}", cursor.at)
        yield from cursor.space()
        if not (yield from cursor.literal(",")):
            break
        yield from cursor.space()
    yield from cursor.expect("}")
    if call.index < 0 or arguments is None:
        raise Broken(f"the call has no {'name' if call.index < 0 else 'arguments'!r}", cursor.at)
    return ToolCall(call.name, arguments)


def _write_python(call: ToolCall, position: int, weight: float) -> Iterator[Segment]:
    yield Segment("{'name': ", Kind.SCAFFOLD, weight)
    yield Segment(repr(call.name), Kind.NAME, weight)
    yield Segment(", 'arguments': ", Kind.SCAFFOLD, weight)
    yield Segment(literal(call.arguments), Kind.ARGUMENT, weight)
    yield Segment("}", Kind.SCAFFOLD, weight)


def _python_rule(tool: Tool, rules: Rules, before: str) -> str:
    compiler = Compiler(tool, PYTHON, rules)
    head = rules.text(f"{before}{{'name': {tool.name!r}, 'arguments': ")
    return f"{head} {compiler.object(compiler.schema, '')} {rules.text('}')}"


XLAM = Family(
    name="xlam",
    stops=(),
    layout=Layout(_OPEN, _CLOSE, "\n"),
    write_call=write_object(),
    read=_read,
    quick=_QUICK,
    call_rule=object_rule(),
    refine=refine,
    hint=f'{_OPEN}{{"name": <function-name>, "arguments": <args-json-object>}}{_CLOSE}',
    gap="",
    thinking=None,
    never=(_OPEN,),
    nothing=_OPEN + _CLOSE,
)

XLAM_DICTS = Family(
    name="xlam",
    stops=(),
    layout=Layout(_OPEN, _CLOSE, "\n"),
    write_call=_write_python,
    read=_read,
    quick=lambda text, tools: _QUICK_DICTS(text, tools) or _QUICK(text, tools),
    call_rule=_python_rule,
    refine=refine_python,
    hint=XLAM.hint,
    gap="",
    thinking=None,
    never=(_OPEN,),
    nothing=_OPEN + _CLOSE,
)
