"""The xLAM models: a bare JSON array of calls, also in a fence or behind a mark."""

from __future__ import annotations

import re

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import array_only, objects, quick_reader
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.jsoncalls import object_rule, refine, write_object
from callwright.dialects.syntax.jsonread import call_object

_WHOLE = r"[ \t]{0,32}\[[ \t\r\n]{0,64}\{[ \t\r\n]{0,64}\"(?:name|arguments)\""
_PART = r"[ \t]{0,32}(?:\[[ \t\r\n]{0,64}(?:\{[ \t\r\n]{0,64}(?:\"[a-z]{0,9})?)?)?"


def _array(opening: str, closing: str = "") -> Block:
    return Block(opening, closing, start="[", end="]", between=",", recover="]")


XLAM_JSON = Family(
    name="xlam-json",
    stops=("<|im_end|>",),
    layout=Layout("[", "]", ", "),
    write_call=write_object(),
    read=reader(
        tuple(
            (block, call_object())
            for block in (
                _array(""),
                _array("[TOOL_CALLS]"),
                _array("```json\n", "```"),
                _array("<tool_call>", "</tool_call>"),
            )
        ),
        gap="\n",
        line=(_WHOLE, _PART, 0),
    ),
    quick=quick_reader(
        re.compile(rf"(?:\A|\n)(?={_WHOLE})"),
        objects(_array("")),
        ("<think>", "[TOOL_CALLS]", "```json", "<tool_call>"),
        line=True,
        plain=array_only,
    ),
    call_rule=object_rule(),
    refine=refine,
    hint='[{"name": <function-name>, "arguments": <args-json-object>}, ...]',
    beside=False,
    never=("[TOOL_CALLS]", "```json\n", "<tool_call>", "<think>"),
    never_lines=(_WHOLE,),
)
