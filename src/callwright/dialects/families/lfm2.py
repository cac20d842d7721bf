"""LFM2: a list of Python calls between marks."""

from __future__ import annotations

from functools import partial

from callwright.dialects.constrain.values import Python
from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import opening_of, quick_reader
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.pycalls import python_rule, refine, write_python
from callwright.dialects.syntax.pyquick import keyword_calls
from callwright.dialects.syntax.pyread import python_call

_OPEN, _CLOSE = "<|tool_call_start|>", "<|tool_call_end|>"

_BLOCK = Block(_OPEN, _CLOSE, start="[", end="]", between=",")

LFM2 = Family(
    name="lfm2",
    stops=("<|im_end|>",),
    layout=Layout(_OPEN + "[", "]" + _CLOSE, ", "),
    write_call=write_python,
    read=reader(((_BLOCK, python_call),)),
    quick=quick_reader(opening_of(_BLOCK, ""), keyword_calls(_BLOCK), ("<think>",)),
    # its template writes objects as JSON
    call_rule=partial(python_rule, style=Python(json_words=True)),
    refine=refine,
    hint=_OPEN + "[function_name(parameter='value', other=1), ...]" + _CLOSE,
    gap="",
    never=(_OPEN, "<think>"),
)
