"""Llama 3.1 to 4: bare JSON objects with "parameters", several with semicolons between, perhaps behind a tag."""

from __future__ import annotations

import re

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import SPACE, objects, objects_only, quick_reader
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.jsoncalls import object_rule, refine, write_object
from callwright.dialects.syntax.jsonread import call_object

_WHOLE = r"[ \t]{0,32}\{[ \t\r\n]{0,64}\"(?:name|type|function|parameters)\""
_PART = r"[ \t]{0,32}(?:\{[ \t\r\n]{0,64}(?:\"[a-z]{0,10})?)?"
_LINE = re.compile(rf"(?:\A|\n)(?={_WHOLE})")
_TAGGED = Block("<|python_tag|>", between=";")
_BARE = Block("", between=";")
# Llama 4's template sets text, perhaps none, between two marks
_BEHIND = Block("<|python_end|>", between=";")
# white space behind the last call is text
_STEP = rf"{SPACE}\}}(?:{SPACE};|())"

LLAMA_JSON = Family(
    name="llama-json",
    stops=("<|eot_id|>", "<|eom_id|>", "<|eot|>"),
    layout=Layout("", "", "; "),
    write_call=write_object(arguments="parameters"),
    read=reader(
        tuple((block, call_object()) for block in (_TAGGED, _BARE, _BEHIND)),
        gap="\n",
        line=(_WHOLE, _PART, 1),
        passed=("<|python_start|>",),
    ),
    quick=quick_reader(
        _LINE, objects(_BARE, step=_STEP), ("<think>", "<|python_"), line=True, plain=objects_only("; ")
    ),
    call_rule=object_rule(arguments="parameters"),
    refine=refine,
    hint='{"name": <function-name>, "parameters": <args-json-object>}',
    beside=False,
    never=("<|python_tag|>", "<|python_start|>", "<|python_end|>", "<think>"),
    never_lines=(_WHOLE,),
)
