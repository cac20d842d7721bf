"""Calls whose arguments are JSON: their writers, readers and rules, shared by most families."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from callwright.dialects.constrain.rules import Rules
from callwright.dialects.constrain.values import json_arguments
from callwright.dialects.family import CallRule, WriteCall
from callwright.dialects.parse.cursor import Cursor, ReadCall, Reading
from callwright.dialects.syntax.jsonread import OpenCall, read_arguments
from callwright.types import JsonObject, Kind, Segment, Tool, ToolCall

_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|([{}\[\],:\s]+)|([^"{}\[\],:\s]+)')


def dump(value: object) -> str:
    """JSON as every chat template's `tojson` writes it: ", " and ": ", unicode kept."""
    return json.dumps(value, ensure_ascii=False)


def refine(arguments: str) -> Iterator[tuple[str, Kind]]:
    """The JSON text of arguments -> keys, values, and what a grammar forces.

    >>> [text for text, kind in refine('{"a": "x", "b": [1]}') if kind is Kind.KEY]
    ['a', 'b']
    """
    for string, colon, scaffold, plain in _TOKEN.findall(arguments):
        if scaffold:
            yield scaffold, Kind.SCAFFOLD
        elif colon:
            yield '"', Kind.SCAFFOLD
            yield string[1:-1], Kind.KEY
            yield '"' + colon, Kind.SCAFFOLD
        else:
            yield string or plain, Kind.ARGUMENT


def write_object(name: str = "name", arguments: str = "arguments", lead: str = "") -> WriteCall:
    """`{"name": ..., "arguments": {...}}`. lead: other members before the name, in which {position} counts calls."""

    def write(call: ToolCall, position: int, weight: float) -> Iterator[Segment]:
        before = lead.replace("{position}", str(position))
        yield Segment(f'{{{before}"{name}": "', Kind.SCAFFOLD, weight)
        yield Segment(dump(call.name)[1:-1], Kind.NAME, weight)
        yield Segment(f'", "{arguments}": ', Kind.SCAFFOLD, weight)
        yield Segment(dump(call.arguments), Kind.ARGUMENT, weight)
        yield Segment("}", Kind.SCAFFOLD, weight)

    return write


def write_named(before: str, between: str, after: str) -> WriteCall:
    """A name outside, then its arguments as JSON. {position} in `before` and `between` counts calls."""

    def write(call: ToolCall, position: int, weight: float) -> Iterator[Segment]:
        if before:
            yield Segment(before, Kind.SCAFFOLD, weight)
        yield Segment(call.name, Kind.NAME, weight)
        yield Segment(between.replace("{position}", str(position)), Kind.SCAFFOLD, weight)
        yield Segment(dump(call.arguments), Kind.ARGUMENT, weight)
        if after:
            yield Segment(after, Kind.SCAFFOLD, weight)

    return write


def object_rule(name: str = "name", arguments: str = "arguments", lead: str = "") -> CallRule:
    """What `write_object` writes."""

    def rule(tool: Tool, rules: Rules, before: str) -> str:
        head, position, rest = f'{before}{{{lead}"{name}": {dump(tool.name)}, "{arguments}": '.partition("{position}")
        number = [rules.add("NUMBER", "/[0-9]{1,3}/"), rules.text(rest)] if position else []
        return " ".join([rules.text(head), *number, json_arguments(tool, rules), rules.text("}")])

    return rule


def named_rule(before: str, between: str, after: str) -> CallRule:
    """What `write_named` writes."""

    def rule(tool: Tool, rules: Rules, lead: str) -> str:
        head, position, rest = between.partition("{position}")
        parts = [rules.text(lead + before + tool.name + head)]
        if position:
            parts += [rules.add("NUMBER", "/[0-9]{1,3}/"), rules.text(rest)]
        return " ".join(filter(None, [*parts, json_arguments(tool, rules), rules.text(after)]))

    return rule


def read_named(
    name: re.Pattern[str],
    between: Sequence[str | re.Pattern[str]],
    after: Sequence[str] = (),
    before: str = "",
    call_id: str = "",
) -> ReadCall:
    """A reader of what `write_named` writes.

    name: a run of characters. between, after: marks in order, with white space before them, or runs of characters that
    say nothing. call_id: the mark of an id that may stand behind the name. The marks in `after` may be missing where
    the text ends.
    """

    def read(cursor: Cursor) -> Reading[ToolCall]:
        if before:
            yield from cursor.expect(before)
        called = yield from cursor.name(name)
        own_id = ""
        if call_id and (yield from cursor.literal(call_id)):
            own_id = (yield from cursor.match(name, "an id")).group()
        for mark in between:
            yield from cursor.space()
            if isinstance(mark, str):
                yield from cursor.expect(mark)
            else:
                yield from cursor.run(mark)
        call = OpenCall(cursor)
        call.begin(called, own_id)
        yield from cursor.space()
        arguments: JsonObject = yield from read_arguments(cursor, call)
        for mark in after:
            yield from cursor.space()
            if (yield from cursor.peek()):
                yield from cursor.expect(mark)
        return ToolCall(call.name, arguments, own_id)

    return read
