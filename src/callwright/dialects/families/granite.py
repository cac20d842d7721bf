"""Granite 3.0 (<|tool_call|>) and 3.1 to 3.3 (<tool_call>): a JSON array behind one mark."""

from __future__ import annotations

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import array_behind, objects, opening_of, quick_reader
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.jsoncalls import object_rule, refine, write_object
from callwright.dialects.syntax.jsonread import call_object

_NEVER = ("<|tool_call|>", "<tool_call>", "<think>")


def _family(name: str, mark: str) -> Family:
    old, new = (Block(text, start="[", end="]", between=",", recover="]") for text in ("<|tool_call|>", "<tool_call>"))
    block, other = (old, new) if mark == old.opening else (new, old)
    return Family(
        name=name,
        stops=("<|end_of_text|>",),
        layout=Layout(mark + "[", "]", ", "),
        write_call=write_object(),
        # each generation has been seen to write the other's mark
        read=reader(((old, call_object()), (new, call_object())), gap="\n"),
        quick=quick_reader(
            opening_of(block, "\n"),
            objects(block),
            ("<think>", other.opening),
            plain=array_behind(mark + "[", _NEVER),
        ),
        call_rule=object_rule(),
        refine=refine,
        hint=mark + '[{"name": <function-name>, "arguments": <args-json-object>}, ...]',
        never=_NEVER,
    )


GRANITE_3_0 = _family("granite-3.0", "<|tool_call|>")
GRANITE = _family("granite", "<tool_call>")
