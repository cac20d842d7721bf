"""Prompts -> completions by a transformers model in this process, the tool block computed once per tool set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from callwright.generate.engine import StepEngine
from callwright.generate.prefix_cache import PrefixCache
from callwright.generate.torch_steps import TorchSteps


class LocalEngine(StepEngine):
    """A transformers model in evaluation mode; `batch_size` prompts decode together."""

    def __init__(  # those of its parts
        self,
        model: Any,
        tokenizer: Any,
        stops: Sequence[str],
        batch_size: int = 32,
        *,
        cache: PrefixCache | None = None,
        drafted: int = 0,
    ) -> None:
        self.cache = cache if cache is not None else PrefixCache()
        super().__init__(TorchSteps(model, slots=batch_size, cache=self.cache), tokenizer, stops, drafted)
