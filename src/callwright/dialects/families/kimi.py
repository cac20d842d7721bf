"""Kimi K2: a section of calls, each named functions.NAME:NUMBER."""

from __future__ import annotations

import re

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.jsoncalls import named_rule, read_named, refine, write_named

_BEGIN, _END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
_CALL, _ARGUMENTS, _CALL_END = "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"
_BETWEEN = ":{position}" + _ARGUMENTS

KIMI_K2 = Family(
    name="kimi-k2",
    stops=("<|im_end|>",),
    layout=Layout(_BEGIN, _END, ""),
    write_call=write_named(_CALL + "functions.", _BETWEEN, _CALL_END),
    read=reader(
        (
            (
                Block(_BEGIN, end=_END, recover=_END),
                read_named(
                    re.compile(r"[^\n<{:]+"), (re.compile(r"[:0-9]*"), _ARGUMENTS), (_CALL_END,), _CALL + "functions."
                ),
            ),
        )
    ),
    call_rule=named_rule(_CALL + "functions.", _BETWEEN, _CALL_END),
    refine=refine,
    hint=f"{_BEGIN}{_CALL}functions.<function-name>:<number>{_ARGUMENTS}<args-json-object>{_CALL_END}{_END}",
    gap="",
    never=(_BEGIN, "<think>"),
)
