"""Llama 3.2 and 4, ToolACE, Gorilla: a list of Python calls and nothing around it."""

from __future__ import annotations

import re

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import quick_reader
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.pycalls import python_rule, refine, write_python
from callwright.dialects.syntax.pyquick import keyword_calls
from callwright.dialects.syntax.pyread import python_call

_NAME = r"[A-Za-z_][\w.\-]{0,128}"
_WHOLE = rf"[ \t]{{0,32}}\[[ \t\r\n]{{0,64}}{_NAME}\("
_PART = rf"[ \t]{{0,32}}(?:\[[ \t\r\n]{{0,64}}(?:{_NAME})?)?"

_BARE = Block("", start="[", end="]", between=",", recover="]")

PYTHONIC = Family(
    name="pythonic",
    stops=("<|eot_id|>", "<|eom_id|>", "<|eot|>"),
    layout=Layout("[", "]", ", "),
    write_call=write_python,
    read=reader(
        (
            (_BARE, python_call),
            (
                Block("<|python_start|>", "<|python_end|>", start="[", end="]", between=","),
                python_call,
            ),
        ),
        gap="\n",
        line=(_WHOLE, _PART, 0),
    ),
    quick=quick_reader(
        re.compile(rf"(?:\A|\n)(?={_WHOLE})"), keyword_calls(_BARE), ("<think>", "<|python_start|>"), line=True
    ),
    call_rule=python_rule,
    refine=refine,
    hint="[function_name(parameter='value', other=1), ...]",
    beside=False,
    never=("<|python_start|>", "<think>"),
    never_lines=(_WHOLE,),
)
