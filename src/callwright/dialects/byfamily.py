"""What dialects have alike whose assistant's turns are written as a family writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from callwright.dialects.base import Grammar, StreamParser, ThinkingMode, ToolChoice
from callwright.dialects.constrain.grammar import grammar
from callwright.dialects.parse.cursor import Stream
from callwright.types import Reply, Tool

if TYPE_CHECKING:
    from callwright.dialects.family import Family


class ByFamily:
    """Reading and constraining of a dialect by its `family`."""

    if TYPE_CHECKING:

        @property
        def family(self) -> Family: ...

    @property
    def call_opening(self) -> str:
        return self.family.opening

    def carry(self, prompt: str) -> str:
        return ""

    def parse(self, text: str, tools: Sequence[Tool] = ()) -> Reply:
        return self.family.parse(text, tools)

    def stream(self, tools: Sequence[Tool] = ()) -> StreamParser:
        return Stream(self.family.read, tools)

    def grammar(
        self,
        tools: Sequence[Tool],
        choice: ToolChoice,
        specials: Mapping[str, int] | None = None,
        *,
        parallel: bool = True,
        thinking: ThinkingMode = "none",
    ) -> Grammar:
        return grammar(self.family, tools, choice, specials, parallel=parallel, thinking=thinking)
