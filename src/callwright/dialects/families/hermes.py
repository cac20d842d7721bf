"""Hermes, Qwen2.5, Qwen3, SmolLM3 and Granite 4: JSON objects between <tool_call> tags."""

from __future__ import annotations

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import objects, objects_between, opening_of, quick_reader
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.jsoncalls import object_rule, refine, write_object
from callwright.dialects.syntax.jsonread import call_object

_BLOCK = Block("<tool_call>", "</tool_call>")

HERMES = Family(
    name="hermes",
    stops=("<|im_end|>",),
    layout=Layout("<tool_call>\n", "\n</tool_call>", "\n", each=True),
    write_call=write_object(),
    read=reader(((_BLOCK, call_object()),), gap="\n"),
    quick=quick_reader(
        opening_of(_BLOCK, "\n"),
        objects(_BLOCK),
        ("<think>",),
        plain=objects_between("<tool_call>\n", "\n</tool_call>", ("<tool_call>", "<think>")),
    ),
    call_rule=object_rule(),
    refine=refine,
    hint='<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',
    never=("<tool_call>", "<think>"),
)
