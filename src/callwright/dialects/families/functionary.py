"""Functionary v3.1 (Llama 3.1): <function=NAME>{json}</function>."""

from __future__ import annotations

import re

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.jsoncalls import named_rule, read_named, refine, write_named

FUNCTIONARY = Family(
    name="functionary",
    stops=("<|eot_id|>", "<|eom_id|>"),
    layout=Layout("<function=", "</function>", "", each=True),
    write_call=write_named("", ">", ""),
    read=reader(((Block("<function=", "</function>"), read_named(re.compile(r"[^>\n{]+"), (">",))),), gap="\n"),
    call_rule=named_rule("", ">", ""),
    refine=refine,
    hint="<function=<function-name>><args-json-object></function>",
    never=("<function=", "<think>"),
)
