"""A family, tools and a choice -> a Lark grammar in llguidance's syntax for what the assistant may write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callwright.dialects.base import Grammar, ThinkingMode, ToolChoice
from callwright.dialects.constrain.rules import Rules, either, holding
from callwright.dialects.family import Family
from callwright.types import Tool


def grammar(
    family: Family,
    tools: Sequence[Tool],
    choice: ToolChoice,
    specials: Mapping[str, int] | None = None,
    *,
    parallel: bool = True,
    thinking: ThinkingMode = "none",
) -> Grammar:
    """What a turn of this family may be, without its stop. `parallel` False admits one call.

    'auto' admits text, calls, or text and then calls; 'none' text alone, perhaps none.
    """
    rules = Rules(specials)
    turn = _Turn(family, rules, thinking)
    if choice == "none" or not tools:
        reply = f"({turn.text()})?"
    else:
        calls = _Calls(family, tools, rules, parallel)
        if choice == "required":
            reply = calls.behind(turn.led(family.layout.opening))
        else:
            reply = f"({turn.text()})? | {turn.automatic(calls)}"
            if family.nothing:
                reply = f"{reply} | {rules.text(family.nothing)}"
    thought = turn.thought(thinking)
    start = f"{thought} ({reply})" if thought else reply
    return Grammar(rules.lark(start), tuple(dict.fromkeys(rules.unenforced)))


class _Calls:
    """All calls of a turn."""

    def __init__(self, family: Family, tools: Sequence[Tool], rules: Rules, parallel: bool) -> None:
        self.family, self.tools, self.rules = family, tools, rules
        self.several = parallel and family.parallel

    def behind(self, beginnings: Sequence[str]) -> str:
        """The calls, one of some texts before the first."""
        layout = self.family.layout
        parts = [f"({either(map(self._one, beginnings))})"]
        if self.several:
            around = layout.closing + layout.between + layout.opening if layout.each else layout.between
            parts.append(f"({self._one(around)})*")
        ends = list(filter(None, (self.rules.text(layout.closing + tail) for tail in self.family.habits.tails)))
        if ends:
            parts.append(f"({either(ends)}){'' if layout.closing else '?'}")
        if self.family.text_after:
            parts.append(f"({self.rules.maybe(['(?s:.+)', *_only_text(self.family)])})?")
        return " ".join(parts)

    def _one(self, before: str) -> str:
        return self.rules.add("call", either(self.family.call_rule(tool, self.rules, before) for tool in self.tools))


class _Turn:
    """What a turn may hold beside its calls."""

    def __init__(self, family: Family, rules: Rules, thinking: ThinkingMode) -> None:
        self.family, self.rules = family, rules
        behind = (family.thinking.behind,) if family.thinking and thinking != "none" else ()
        self.spaces = tuple(dict.fromkeys((*family.habits.spaces, *behind)))

    def led(self, mark: str) -> list[str]:
        """A mark, white space before it: one text, because no lexeme may end where another can go on."""
        return [space + mark for space in self.spaces]

    def thought(self, mode: ThinkingMode) -> str:
        """A block of thinking; or an empty one, as the template writes it."""
        rules, marks = self.rules, self.family.thinking
        empty = self.family.habits.blocks
        parts = [rules.text(block) for block in empty]
        if marks and mode != "none":
            inside = rules.until(marks.closing)
            if mode == "open":
                return inside
            # no lexeme may begin as another does that ends before it
            parts = [rules.text(block) for block in empty if marks.opening not in block]
            parts.append(f"{self._opened(marks.opening)} {inside}")
        return f"({either(parts)})?" if parts else ""

    def automatic(self, calls: _Calls) -> str:
        """Calls, and text with calls behind it."""
        family, opening = self.family, self.family.layout.opening
        if family.beside_open:
            content = self.rules.until(family.beside_close, _only_text(family))
            before = f"{self._opened(family.beside_open)} {content}"
            return f"{calls.behind(self.led(opening))} | {before} {calls.behind([opening])}"
        if not family.beside:
            return calls.behind(self.led(opening))
        mark = next((mark for mark in family.never if opening.startswith(mark)), opening)
        # text, perhaps none, up to the first opening: one lexeme, because its end cannot be seen before that is whole
        return f"{self.rules.until(mark, _only_text(family, mark))} {calls.behind([opening[len(mark) :]])}"

    def text(self) -> str:
        """Text that the parser takes for nothing else, with what stands around it."""
        family, content = self.family, _only_text(self.family)
        opened = self._opened(family.text_open) if family.text_open else ""
        if family.text_close:
            return f"{opened} {self.rules.until(family.text_close, content)}"
        return f"{opened} {self.rules.maybe(['(?s:.+)', *content])}".strip()

    def _opened(self, mark: str) -> str:
        return f"({either(map(self.rules.text, self.led(mark)))})"


def _only_text(family: Family, but: str = "") -> list[str]:
    """What text must match; `but` is a mark that ends it elsewhere. One expression: many together are too much."""
    marks = [mark for mark in family.never if mark != but]
    return [holding(*marks, lines=family.never_lines)] if marks or family.never_lines else []
