"""MiniMax M2: <invoke name=...> with a <parameter name=...> for each argument."""

from __future__ import annotations

import re

from callwright.dialects.family import Family, Layout
from callwright.dialects.parse.quick import markup, opening_of, quick_reader
from callwright.dialects.parse.turn import Block, reader
from callwright.dialects.syntax.markup import Markup
from callwright.dialects.syntax.rawcalls import markup_rule, read_markup, refine, write_markup

_FORM = Markup('">\n', '<parameter name="', '">', "</parameter>\n", "</invoke>")
_READ = read_markup(_FORM, re.compile(r'[^"\n]+'), re.compile(r'[^"\n]+'))
_OPEN, _CLOSE = "<minimax:tool_call>", "</minimax:tool_call>"
_BLOCK = Block(_OPEN, end=_CLOSE, each='<invoke name="')

MINIMAX_M2 = Family(
    name="minimax-m2",
    stops=("[e~[",),
    layout=Layout(_OPEN + '\n<invoke name="', "\n" + _CLOSE, '\n<invoke name="'),
    write_call=write_markup(_FORM),
    read=reader(((_BLOCK, _READ),), gap="\n"),
    quick=quick_reader(opening_of(_BLOCK, "\n"), markup(_FORM, _BLOCK, r'[^"\n]', r'[^"\n]'), ("<think>",)),
    call_rule=markup_rule(_FORM),
    refine=refine,
    hint=(
        _OPEN
        + '\n<invoke name="function-name">\n<parameter name="parameter-name">value</parameter>\n</invoke>\n'
        + _CLOSE
    ),
    never=(_OPEN, "<think>"),
)
