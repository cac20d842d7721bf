"""Mistral: v3 writes one JSON array behind [TOOL_CALLS]; v11 and later name and arguments apart, for each call."""

from __future__ import annotations

import re

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import array_behind, objects, opening_of, quick_reader
from callwright.dialects.parse.turn import Block, Thinking, reader
from callwright.dialects.syntax.jsoncalls import named_rule, object_rule, read_named, refine, write_named, write_object
from callwright.dialects.syntax.jsonread import call_object

_THINK = Thinking("[THINK]", "[/THINK]")
_ARRAY = Block("[TOOL_CALLS]", start="[", end="]", between=",", recover="]")
_NEVER = ("[TOOL_CALLS]", "<think>")
_NAME = re.compile(r"[^\n\[\]{}]+")

MISTRAL = Family(
    name="mistral",
    stops=("</s>",),
    layout=Layout("[TOOL_CALLS] [", "]", ", "),
    write_call=write_object(),
    read=reader(((_ARRAY, call_object()),), gap="\n"),
    quick=quick_reader(
        opening_of(_ARRAY, "\n"),
        objects(_ARRAY),
        ("<think>",),
        plain=array_behind("[TOOL_CALLS] [", _NEVER),
    ),
    call_rule=object_rule(),
    refine=refine,
    hint='[TOOL_CALLS] [{"name": <function-name>, "arguments": <args-json-object>}, ...]',
    never=_NEVER,
)

MISTRAL_V11 = Family(
    name="mistral-v11",
    stops=("</s>",),
    layout=Layout("[TOOL_CALLS]", "", "", each=True),
    write_call=write_named("", "[ARGS]", ""),
    read=reader(
        ((Block("[TOOL_CALLS]"), read_named(_NAME, ("[ARGS]",), call_id="[CALL_ID]")),), gap="\n", thinking=_THINK
    ),
    call_rule=named_rule("", "[ARGS]", ""),
    refine=refine,
    hint="[TOOL_CALLS]<function-name>[ARGS]<args-json-object>",
    thinking=_THINK,
    never=("[TOOL_CALLS]", "[THINK]"),
)
