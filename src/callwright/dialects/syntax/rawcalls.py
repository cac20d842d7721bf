"""Calls whose arguments stand raw between marks: their writer, reader and rule, shared by the XML-like families."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callwright.dialects.constrain.rules import Rules
from callwright.dialects.constrain.values import raw_arguments_rule
from callwright.dialects.family import CallRule, WriteCall
from callwright.dialects.parse.cursor import Cursor, Marks, ReadCall, Reading
from callwright.dialects.syntax.jsonread import OpenCall
from callwright.dialects.syntax.markup import Markup
from callwright.dialects.syntax.rawread import Arguments, raw_text
from callwright.types import Kind, Segment, Tool, ToolCall


def write_markup(form: Markup) -> WriteCall:
    """A writer of calls in this form."""

    def write(call: ToolCall, position: int, weight: float) -> Iterator[Segment]:
        yield Segment(call.name, Kind.NAME, weight)
        yield Segment(form.name_end, Kind.SCAFFOLD, weight)
        for key, value in call.arguments.items():
            yield Segment(form.key_open, Kind.SCAFFOLD, weight)
            yield Segment(key, Kind.KEY, weight)
            yield Segment(form.key_end, Kind.SCAFFOLD, weight)
            text = raw_text(value)
            if text:
                yield Segment(text, Kind.ARGUMENT, weight)
            yield Segment(form.value_end, Kind.SCAFFOLD, weight)
        if form.close:
            yield Segment(form.close, Kind.SCAFFOLD, weight)

    return write


def read_markup(form: Markup, name: re.Pattern[str], key: re.Pattern[str]) -> ReadCall:
    """A reader of calls in this form. name, key: runs of characters."""
    name_end, key_open, close = form.name_end.strip(), form.key_open.strip(), form.close.strip()
    ends = Marks({"end": form.value_end.strip()}, "\n" if form.value_end.startswith("\n") else "")

    def read(cursor: Cursor) -> Reading[ToolCall]:
        called = yield from cursor.name(name)
        call = OpenCall(cursor)
        if name_end:
            yield from cursor.expect(name_end)
        call.begin(called)
        arguments = Arguments(cursor, call)
        while True:
            yield from cursor.space()
            if close and (yield from cursor.literal(close)):
                break
            if not (yield from cursor.literal(key_open)):
                if close:
                    raise cursor.wrong(f"{key_open!r} or {close!r} should come")
                break
            yield from _argument(cursor, arguments, key, form.key_end, ends)
        return ToolCall(call.name, arguments.end())

    return read


def _argument(cursor: Cursor, arguments: Arguments, key: re.Pattern[str], key_end: str, ends: Marks) -> Reading[None]:
    start = cursor.at
    named = (yield from cursor.match(key, "a parameter's name")).group()
    cursor.span(start, cursor.at, Kind.KEY)
    for mark in key_end.split():
        yield from cursor.space()
        yield from cursor.expect(mark)
    if key_end.endswith("\n"):
        yield from cursor.literal("\n")
    yield from arguments.raw(named, ends)


def markup_rule(form: Markup) -> CallRule:
    """What `write_markup` writes, in the schema's order."""

    def rule(tool: Tool, rules: Rules, before: str) -> str:
        parts = [
            rules.text(before + tool.name + form.name_end),
            raw_arguments_rule(tool, form, rules),
            rules.text(form.close),
        ]
        return " ".join(filter(None, parts))

    return rule


def refine(arguments: str) -> Iterator[tuple[str, Kind]]:
    """Values are segments of their own already."""
    yield arguments, Kind.ARGUMENT
