"""Command R7B and Command A: a JSON array of numbered calls between actions, text between responses."""

from __future__ import annotations

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.turn import Block, Thinking, reader
from callwright.dialects.syntax.jsoncalls import object_rule, refine, write_object
from callwright.dialects.syntax.jsonread import Keys, call_object

_OPEN, _CLOSE = "<|START_ACTION|>", "<|END_ACTION|>"
_SAY, _SAID = "<|START_RESPONSE|>", "<|END_RESPONSE|>"
_THINK = Thinking("<|START_THINKING|>", "<|END_THINKING|>")
_LEAD = '"tool_call_id": "{position}", '

COMMAND_R = Family(
    name="command-r",
    stops=("<|END_OF_TURN_TOKEN|>",),
    layout=Layout(_OPEN + "[\n    ", f"\n]{_CLOSE}", ",\n    "),
    write_call=write_object("tool_name", "parameters", _LEAD),
    read=reader(
        (
            (
                Block(_OPEN, _CLOSE, start="[", end="]", between=","),
                call_object(Keys("tool_name", ("parameters",), ("tool_call_id",))),
            ),
        ),
        thinking=_THINK,
        passed=(_SAY, _SAID),
    ),
    call_rule=object_rule("tool_name", "parameters", _LEAD),
    refine=refine,
    hint=_OPEN
    + '[{"tool_call_id": "0", "tool_name": <function-name>, "parameters": <args-json-object>}, ...]'
    + _CLOSE,
    gap="",
    never=(_OPEN, _SAY, _SAID, "<|START_THINKING|>"),
    thinking=_THINK,
    text_open=_SAY,
    text_close=_SAID,
    beside_open=_SAY,
    beside_close=_SAID,
)
