"""GPT-OSS (harmony): each part of a turn is a message on a channel; calls are addressed to=functions.NAME."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callwright.dialects.constrain.rules import Rules
from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.cursor import Broken, Cursor, Marks, Reading, unsaid
from callwright.dialects.parse.turn import Thinking, addressed
from callwright.dialects.syntax.jsoncalls import named_rule, refine, write_named
from callwright.dialects.syntax.jsonread import OpenCall, read_arguments
from callwright.types import Kind, Message, Segment, Tool, ToolCall

_NEXT = "<|start|>assistant"
_THINK = Thinking("<|channel|>analysis<|message|>", "<|end|>" + _NEXT, inside="", behind="")
_ENDS = Marks({"end": "<|end|>", "call": "<|call|>", "return": "<|return|>", "start": _NEXT})
_HEADER = Marks({"message": "<|message|>", "end": "<|end|>", "call": "<|call|>", "start": _NEXT})
_STARTS = Marks({"channel": "<|channel|>", "start": _NEXT})
_KNOWN = re.compile(
    r"\s*(?:<\|channel\|>\s*(?P<channel>analysis|commentary|final))?"
    r"(?:\s*to=(?:functions\.)?(?P<to>[^\n<]+?))?"
    r"(?:\s*<\|channel\|>\s*(?:analysis|commentary))?(?:\s*(?:<\|constrain\|>)?\s*(?:json|code))?\s*"
)


def _message(cursor: Cursor, start: int) -> Reading[None]:
    """A header, then what it announces. What has no header is text."""
    found = yield from cursor.find(_HEADER, unsaid)
    header = cursor.text[start : found.start() if found else len(cursor.text)]
    if found is None or found.lastgroup != "message":
        cursor.broken(start, cursor.at, f"the header at character {start} is followed by no <|message|>")
        return
    known = _KNOWN.fullmatch(header)
    if known is None:
        cursor.broken(start, cursor.at, f"the header at character {start} is none that is known")
    elif known["to"]:
        yield from _call(cursor, start, start + known.start("to"), start + known.end("to"))
    else:
        yield from cursor.find(_ENDS, cursor.think if known["channel"] == "analysis" else cursor.say)


def _call(cursor: Cursor, start: int, name: int, name_end: int) -> Reading[None]:
    call = OpenCall(cursor)
    try:
        cursor.span(name, name_end, Kind.NAME)
        call.begin(cursor.text[name:name_end])
        yield from cursor.space()
        arguments = yield from read_arguments(cursor, call)
        yield from cursor.space()
        if (yield from cursor.peek()) and not (yield from cursor.one_of(("<|call|>", "<|end|>", "<|return|>"))):
            raise cursor.wrong("'<|call|>' should come")
    except Broken as error:
        cursor.at = error.resync
        yield from cursor.past("<|call|>", error.resync)
        cursor.broken(start, cursor.at, error.reason)
    else:
        cursor.call(ToolCall(call.name, arguments))


def write(message: Message, weight: float) -> Iterator[Segment]:
    """Thinking on the analysis channel, calls on commentary, and text on the final one where no call follows it."""
    parts: list[list[Segment]] = []
    if message.thinking:
        parts.append(_part(_THINK.opening, Segment(message.thinking, Kind.THINKING, weight), weight))
    if message.text:
        channel = "commentary" if message.calls else "final"
        parts.append(_part(f"<|channel|>{channel}<|message|>", Segment(message.text, Kind.TEXT, weight), weight))
    for number, part in enumerate(parts):
        if number:
            yield Segment("<|end|>" + _NEXT, Kind.SCAFFOLD, weight)
        yield from part
    for position, call in enumerate(message.calls):
        if position or parts:
            yield Segment(("<|call|>" if position else "<|end|>") + _NEXT, Kind.SCAFFOLD, weight)
        yield from _WRITE(call, position, weight)


def _part(header: str, body: Segment, weight: float) -> list[Segment]:
    return [Segment(header, Kind.SCAFFOLD, weight), body]


_WRITE = write_named("<|channel|>commentary to=functions.", " <|constrain|>json<|message|>", "")

_CHANNEL = "<|channel|>commentary"
_RULE, _AS_ROLE = named_rule("", " <|constrain|>json<|message|>", ""), named_rule("", f"{_CHANNEL} json<|message|>", "")


def _rule(tool: Tool, rules: Rules, before: str) -> str:
    """The recipient behind the channel, as models write it, or before it, as their template does."""
    return f"{_RULE(tool, rules, before)} | {_AS_ROLE(tool, rules, before.replace(_CHANNEL, ''))}"


HARMONY = Family(
    name="harmony",
    stops=("<|return|>", "<|call|>"),
    layout=Layout("<|channel|>commentary to=functions.", "", "<|call|><|start|>assistant", each=True),
    write_call=_WRITE,
    read=addressed(_STARTS, _message, _message),
    call_rule=_rule,
    refine=refine,
    hint="<|channel|>commentary to=functions.<function-name> <|constrain|>json<|message|><args-json-object><|call|>",
    call_stop="<|call|>",
    write_turn=write,
    thinking=_THINK,
    text_open="<|channel|>final<|message|>",
    beside_open="<|channel|>commentary<|message|>",
    beside_close="<|end|>" + _NEXT,
    never=("<|channel|>", " to=", "<|start|>assistant", "<|end|>", "<|call|>", "<|return|>"),
)
