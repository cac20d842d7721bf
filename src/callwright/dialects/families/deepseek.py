"""DeepSeek V3 and R1 (arguments in a JSON fence), and V3.1 (name and JSON with one mark between)."""

from __future__ import annotations

import re

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.jsoncalls import named_rule, read_named, refine, write_named

_BEGIN, _END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
_CALL, _SEP, _CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
_NAME = re.compile(r"[^\n<{`]+")
_BLOCK = Block(_BEGIN, end=_END, recover=_END)

DEEPSEEK_V3 = Family(
    name="deepseek-v3",
    stops=("<｜end▁of▁sentence｜>",),
    layout=Layout(_BEGIN, _END, "\n"),
    write_call=write_named(f"{_CALL}function{_SEP}", "\n```json\n", "\n```" + _CALL_END),
    read=reader(((_BLOCK, read_named(_NAME, ("```json",), ("```", _CALL_END), f"{_CALL}function{_SEP}")),)),
    call_rule=named_rule(f"{_CALL}function{_SEP}", "\n```json\n", "\n```" + _CALL_END),
    refine=refine,
    hint=f"{_BEGIN}{_CALL}function{_SEP}<function-name>\n```json\n<args-json-object>\n```{_CALL_END}{_END}",
    gap="",
    never=(_BEGIN, "<think>"),
)

DEEPSEEK_V3_1 = Family(
    name="deepseek-v3.1",
    stops=("<｜end▁of▁sentence｜>",),
    layout=Layout(_BEGIN, _END, ""),
    write_call=write_named(_CALL, _SEP, _CALL_END),
    read=reader(((_BLOCK, read_named(_NAME, (_SEP,), (_CALL_END,), _CALL)),)),
    call_rule=named_rule(_CALL, _SEP, _CALL_END),
    refine=refine,
    hint=f"{_BEGIN}{_CALL}<function-name>{_SEP}<args-json-object>{_CALL_END}{_END}",
    gap="",
    never=(_BEGIN, "<think>"),
)
