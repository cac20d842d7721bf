"""Qwen3-Coder, Qwen3.5 and later, Nemotron 3: <function=NAME> with a <parameter=KEY> for each argument."""

from __future__ import annotations

import re

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import markup, opening_of, quick_reader
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.markup import Markup
from callwright.dialects.syntax.rawcalls import markup_rule, read_markup, refine, write_markup

_FORM = Markup(">\n", "<parameter=", ">\n", "\n</parameter>\n", "</function>")
_BLOCK = Block("<tool_call>", "</tool_call>", start="<function=")
_READ = read_markup(_FORM, re.compile(r"[^>\n<]+"), re.compile(r"[^>\n]+"))

QWEN3_CODER = Family(
    name="qwen3-coder",
    stops=("<|im_end|>",),
    layout=Layout("<tool_call>\n<function=", "\n</tool_call>", "\n", each=True),
    write_call=write_markup(_FORM),
    read=reader(((_BLOCK, _READ),), gap="\n"),
    quick=quick_reader(opening_of(_BLOCK, "\n"), markup(_FORM, _BLOCK, r"[^>\n<]", r"[^>\n]"), ("<think>",)),
    call_rule=markup_rule(_FORM),
    refine=refine,
    hint=(
        "<tool_call>\n<function=function-name>\n<parameter=parameter-name>\nvalue\n</parameter>\n</function>\n"
        "</tool_call>"
    ),
    never=("<tool_call>", "<think>"),
)
