"""GLM-4.5 to 4.7: a name, then pairs of <arg_key> and <arg_value>."""

from __future__ import annotations

import re

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import markup, opening_of, quick_reader
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.markup import Markup
from callwright.dialects.syntax.rawcalls import markup_rule, read_markup, refine, write_markup

_FORM = Markup("\n", "<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>\n", "")
_BLOCK = Block("<tool_call>", "</tool_call>")
_READ = read_markup(_FORM, re.compile(r"[^<\n]+"), re.compile(r"[^<\n]+"))

GLM = Family(
    name="glm",
    stops=("<|user|>", "<|observation|>", "<|endoftext|>"),
    layout=Layout("<tool_call>", "</tool_call>", "\n", each=True),
    write_call=write_markup(_FORM),
    read=reader(((_BLOCK, _READ),), gap="\n"),
    quick=quick_reader(opening_of(_BLOCK, "\n"), markup(_FORM, _BLOCK, r"[^<\n]", r"[^<\n]"), ("<think>",)),
    call_rule=markup_rule(_FORM),
    refine=refine,
    hint="<tool_call>function-name\n<arg_key>key</arg_key>\n<arg_value>value</arg_value>\n</tool_call>",
    open_end=("<|observation|>", "<|user|>"),
    never=("<tool_call>", "<think>"),
)
