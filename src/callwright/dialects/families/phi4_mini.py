"""Phi-4-mini: a JSON array behind the word functools."""

from __future__ import annotations

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import array_behind, objects, opening_of, quick_reader
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.jsoncalls import object_rule, refine, write_object
from callwright.dialects.syntax.jsonread import call_object

_BLOCK = Block("functools[", end="]", between=",", recover="]")
_NEVER = ("functools[", "<think>")

PHI4_MINI = Family(
    name="phi4-mini",
    stops=("<|end|>",),
    layout=Layout("functools[", "]", ", "),
    write_call=write_object(),
    read=reader(((_BLOCK, call_object()),), gap="\n"),
    quick=quick_reader(
        opening_of(_BLOCK, "\n"),
        objects(_BLOCK),
        ("<think>",),
        plain=array_behind("functools[", _NEVER),
    ),
    call_rule=object_rule(),
    refine=refine,
    hint='functools[{"name": <function-name>, "arguments": <args-json-object>}, ...]',
    never=_NEVER,
)
