"""FunctionGemma and Gemma 4: call:NAME{key:value}, strings between marks, everything else as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from callwright.dialects.constrain.rules import Rules
from callwright.dialects.constrain.values import Escaped, arguments_rule
from callwright.dialects.family import CallRule, Family, Layout, Refine, WriteCall
from callwright.dialects.parse.cursor import Broken, Cursor, Emit, Marks, Reading
from callwright.dialects.parse.turn import Block, Thinking, reader
from callwright.dialects.syntax.jsonread import DECODER, DEEPEST, OpenCall
from callwright.types import JsonObject, Kind, Segment, Tool, ToolCall

_NAME = re.compile(r"[^\n{}<:]+")
_BARE = re.compile(r"[^,{}\[\]<]+")
_KEY = re.compile(r"[^:{}<]+")


def _text(value: Any, mark: str) -> str:
    """A value as the family writes it: keys are bare, and sorted as its template's `dictsort` does."""
    if isinstance(value, str):
        return mark + value + mark
    if isinstance(value, list):
        return "[" + ",".join(_text(item, mark) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_text(item, mark)}" for key, item in _in_order(value)) + "}"
    return json.dumps(value)


def _in_order(value: JsonObject) -> list[tuple[str, Any]]:
    return sorted(value.items(), key=lambda item: item[0].lower())


def _sorted_schema(schema: Any) -> Any:
    """A schema whose properties stand in the order in which the family writes them."""
    if isinstance(schema, list):
        return [_sorted_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _sorted_schema(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict):
        made["properties"] = dict(_in_order(made["properties"]))
    return made


def _write(mark: str) -> WriteCall:
    def write(call: ToolCall, position: int, weight: float) -> Iterator[Segment]:
        yield Segment(call.name, Kind.NAME, weight)
        yield Segment("{", Kind.SCAFFOLD, weight)
        text = _text(call.arguments, mark)[1:-1]
        if text:
            yield Segment(text, Kind.ARGUMENT, weight)
        yield Segment("}", Kind.SCAFFOLD, weight)

    return write


def _refine(mark: str) -> Refine:
    token = re.compile(
        rf"({re.escape(mark)}(?:.*?){re.escape(mark)})|([{{}}\[\],]+)|([^:{{}}\[\],]+)(:)|([^:{{}}\[\],]+)", re.S
    )

    def refine(arguments: str) -> Iterator[tuple[str, Kind]]:
        for string, scaffold, key, colon, plain in token.findall(arguments):
            if string:
                yield mark, Kind.SCAFFOLD
                yield string[len(mark) : -len(mark)], Kind.ARGUMENT
                yield mark, Kind.SCAFFOLD
            elif key:
                yield key, Kind.KEY
                yield colon, Kind.SCAFFOLD
            else:
                yield scaffold or plain, Kind.SCAFFOLD if scaffold else Kind.ARGUMENT

    return refine


def _dump(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class _Values:
    """Reads values with one mark around strings; their JSON text is emitted while they come."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.ends = Marks({"end": mark})

    def call(self, cursor: Cursor) -> Reading[ToolCall]:
        """`NAME{...}`."""
        name = yield from cursor.name(_NAME)
        call = OpenCall(cursor)
        yield from cursor.space()
        yield from cursor.expect("{")
        call.begin(name)
        inside = cursor.at
        arguments = yield from self.members(cursor, call.arguments)
        cursor.span(inside, cursor.at - 1, Kind.ARGUMENT)
        return ToolCall(name, arguments)

    def value(self, cursor: Cursor, emit: Emit, depth: int) -> Reading[Any]:
        if (yield from cursor.literal(self.mark)):
            return (yield from self.string(cursor, emit))
        first = yield from cursor.peek()
        if first in ("{", "["):
            if depth >= DEEPEST:
                raise cursor.wrong(f"nested more than {DEEPEST} levels")
            cursor.at += 1
            return (yield from (self.members if first == "{" else self.items)(cursor, emit, depth + 1))
        made = _bare((yield from cursor.match(_BARE, "a value")).group().strip())
        emit(json.dumps(made, ensure_ascii=False))
        return made

    def string(self, cursor: Cursor, emit: Emit) -> Reading[str]:
        start = cursor.at
        emit('"')
        found = yield from cursor.find(self.ends, lambda a, b: emit(_dump(cursor.text[a:b])[1:-1]))
        if found is None:
            raise Broken(f"at character {start}, a string is not closed by {self.mark!r}", start)
        emit('"')
        return cursor.text[start : found.start()]

    def items(self, cursor: Cursor, emit: Emit, depth: int) -> Reading[list[Any]]:
        made: list[Any] = []
        emit("[")
        yield from cursor.space()
        while not (yield from cursor.literal("]")):
            if made:
                yield from cursor.expect(",")
                yield from cursor.space()
                emit(", ")
            made.append((yield from self.value(cursor, emit, depth)))
            yield from cursor.space()
        emit("]")
        return made

    def members(self, cursor: Cursor, emit: Emit, depth: int = 0) -> Reading[JsonObject]:
        made: JsonObject = {}
        emit("{")
        yield from cursor.space()
        while not (yield from cursor.literal("}")):
            if made:
                yield from cursor.expect(",")
                yield from cursor.space()
            key = yield from self.key(cursor)
            if key in made:
                raise Broken(f"at character {cursor.at}, the key {key!r} comes twice", cursor.at)
            emit(f"{', ' if made else ''}{_dump(key)}: ")
            made[key] = yield from self.value(cursor, emit, depth)
            yield from cursor.space()
        emit("}")
        return made

    def key(self, cursor: Cursor) -> Reading[str]:
        """A key and its colon."""
        if (yield from cursor.literal(self.mark)):
            key = yield from self.string(cursor, lambda fragment: None)
        else:
            key = (yield from cursor.match(_KEY, "a key")).group().strip()
        yield from cursor.space()
        yield from cursor.expect(":")
        yield from cursor.space()
        return key


def _bare(text: str) -> Any:
    """JSON where it is some, else a string that came without its marks. Gemma 4's first templates print None."""
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError):
        return text


def _rule(mark: str) -> CallRule:
    def rule(tool: Tool, rules: Rules, before: str) -> str:
        ordered = replace(tool, parameters=_sorted_schema(tool.parameters))
        arguments = arguments_rule(ordered, Escaped(mark), rules)
        return " ".join([rules.text(before + tool.name + "{"), arguments, rules.text("}")])

    return rule


def _family(
    name: str,
    mark: str,
    opening: str,
    closing: str,
    stops: tuple[str, ...],
    thinking: Thinking | None = None,
) -> Family:
    return Family(
        name=name,
        # its template moves text beside calls behind them
        text_after=thinking is not None,
        stops=stops,
        layout=Layout(opening + "call:", closing, "", each=True),
        write_call=_write(mark),
        read=reader(((Block(opening, closing, start="call:"), _Values(mark).call),), thinking=thinking),
        call_rule=_rule(mark),
        refine=_refine(mark),
        hint=f"{opening}call:function-name{{parameter:{mark}text{mark},other:1}}{closing}",
        gap="",
        thinking=thinking,
        never=(opening, thinking.opening) if thinking else (opening,),
    )


FUNCTION_GEMMA = _family(
    "functiongemma", "<escape>", "<start_function_call>", "<end_function_call>", ("<end_of_turn>",)
)
GEMMA4 = _family(
    "gemma4",
    '<|"|>',
    "<|tool_call>",
    "<tool_call|>",
    ("<turn|>", "<|tool_response>"),
    Thinking("<|channel>thought", "<channel|>"),
)
