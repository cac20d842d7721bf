"""Muse Glimmer (ATEM): each part of a turn is addressed to someone; calls are XML-like, their values raw."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callwright.dialects.constrain.rules import Rules
from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.cursor import Broken, Cursor, Marks, Reading, unsaid
from callwright.dialects.parse.turn import Thinking, addressed
from callwright.dialects.syntax.markup import Markup
from callwright.dialects.syntax.rawcalls import markup_rule, read_markup, refine, write_markup
from callwright.types import Kind, Message, Segment, Tool, ToolCall

_NEXT = "<|start|>assistant"
_OPEN, _CLOSE = "<atem:function_calls>", "</atem:function_calls>"
_INVOKE = '<atem:invoke name="'
_FORM = Markup('">\n', '<atem:parameter name="', '">', "</atem:parameter>\n", "</atem:invoke>")
_READ = read_markup(_FORM, re.compile(r'[^"\n]+'), re.compile(r'[^"\n]+'))
_WRITE = write_markup(_FORM)
_STARTS = Marks({"start": _NEXT, "block": _OPEN})
_HEADS = Marks({"message": "<|message|>", "end": "<|eom|>", "turn": "<|eot|>", "start": _NEXT})
_ENDS = Marks({"end": "<|eom|>", "turn": "<|eot|>", "start": _NEXT})


def _part(cursor: Cursor, start: int) -> Reading[None]:
    """What is said to self is thinking, to the user text, to a tool a call."""
    found = yield from cursor.find(_HEADS, unsaid)
    if found is None or found.lastgroup != "message":
        cursor.broken(start, cursor.at, f"the header at character {start} is followed by no <|message|>")
        return
    whom = cursor.text[start + len(" to=") : found.start()].strip()
    if whom in ("self", "user"):
        yield from cursor.find(_ENDS, cursor.think if whom == "self" else cursor.say)
        return
    yield from cursor.space()
    place = cursor.at
    if (yield from cursor.literal(_OPEN)):
        yield from _call(cursor, start, whom)
    else:
        cursor.at = place
        yield from cursor.find(_ENDS, unsaid)
        cursor.broken(start, cursor.at, f"at character {place}, {_OPEN!r} should come")


def _call(cursor: Cursor, start: int, whom: str = "") -> Reading[None]:
    try:
        yield from cursor.space()
        yield from cursor.expect(_INVOKE)
        call = yield from _READ(cursor)
        if whom and whom != call.name:
            raise Broken(f"a call of {call.name!r} that is addressed to {whom!r}", cursor.at)
        yield from cursor.space()
        if (yield from cursor.peek()):
            yield from cursor.expect(_CLOSE)
        yield from cursor.one_of(("<|eom|>", "<|eot|>"))
    except Broken as error:
        cursor.at = error.resync
        yield from cursor.past(_CLOSE, error.resync)
        cursor.broken(start, cursor.at, error.reason)
    else:
        cursor.call(call)


def write(message: Message, weight: float) -> Iterator[Segment]:
    """Thinking, text and calls, each to its own recipient."""
    parts: list[list[Segment]] = []
    for text, kind, whom in ((message.thinking, Kind.THINKING, "self"), (message.text, Kind.TEXT, "user")):
        if text:
            parts.append([Segment(f" to={whom}<|message|>", Kind.SCAFFOLD, weight), Segment(text, kind, weight)])
    for position, call in enumerate(message.calls):
        parts.append([Segment(" to=", Kind.SCAFFOLD, weight), *_write_call(call, position, weight)])
    for number, part in enumerate(parts):
        if number:
            yield Segment("<|eom|>" + _NEXT, Kind.SCAFFOLD, weight)
        yield from part


def _write_call(call: ToolCall, position: int, weight: float) -> Iterator[Segment]:
    yield Segment(call.name, Kind.NAME, weight)
    yield Segment(f"<|message|>{_OPEN}\n{_INVOKE}", Kind.SCAFFOLD, weight)
    yield from _WRITE(call, position, weight)
    yield Segment("\n" + _CLOSE, Kind.SCAFFOLD, weight)


def _rule(tool: Tool, rules: Rules, before: str) -> str:
    head = f"{before}{tool.name}<|message|>{_OPEN}\n{_INVOKE}"
    return f"{_RULE(tool, rules, head)} {rules.text(chr(10) + _CLOSE)}"


_RULE = markup_rule(_FORM)

ATEM = Family(
    name="atem",
    stops=("<|eot|>",),
    layout=Layout(" to=", "", "<|eom|>" + _NEXT, each=True),
    write_call=_write_call,
    read=addressed(_STARTS, _part, _call),
    call_rule=_rule,
    refine=refine,
    hint=(
        f' to=function-name<|message|>{_OPEN}\n{_INVOKE}function-name">\n'
        f'<atem:parameter name="parameter-name">value</atem:parameter>\n</atem:invoke>\n{_CLOSE}'
    ),
    write_turn=write,
    thinking=Thinking(" to=self<|message|>", "<|eom|>" + _NEXT, inside="", behind=""),
    text_open=" to=user<|message|>",
    beside_open=" to=user<|message|>",
    beside_close="<|eom|>" + _NEXT,
    never=(" to=", _NEXT, _OPEN, "<|eom|>", "<|eot|>"),
)
