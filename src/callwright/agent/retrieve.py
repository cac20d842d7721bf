"""Hundreds of tools and a request -> the few that it may need, in an order that keeps prompts' beginnings the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from callwright.agent.memory import fused
from callwright.data.similar import WordIndex, tool_words, words
from callwright.errors import MissingExtra, RecipeError
from callwright.types import Conversation, Message, Tool

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> their vectors, [texts, size], of length one."""

_DEEP = 100
"""How far each of several rankings is read before they are joined."""


@dataclass(frozen=True)
class Retriever:
    """Tools, ranked by BM25 over names, descriptions, parameters and requests that they served (`examples`, by name),
    by embeddings, or by both with reciprocal ranks (by: 'words', 'vectors', 'both')."""

    tools: Sequence[Tool]
    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    embed: Embed | None = None
    by: str = "words"

    def __post_init__(self) -> None:
        """Raises RecipeError."""
        if self.by not in ("words", "vectors", "both"):
            raise RecipeError(f"retrieval by '{self.by}': give words, vectors or both")
        if self.by != "words" and self.embed is None:
            raise RecipeError(f"retrieval by {self.by} needs an embedding: embed=sentence_transformer(MODEL)")

    def ranked(self, request: str, count: int) -> list[int]:
        """The places of the best tools, best first: as many as there are, where fewer share a word with the request."""
        ranks: list[list[int]] = []
        deep = max(count, _DEEP if self.by == "both" else 0)
        if self.by != "vectors":
            ranks.append(self._words.matching(words(request), min(deep, len(self.tools))))
        if self.by != "words":
            assert self.embed is not None
            near = self._vectors @ self.embed([request])[0]
            ranks.append(np.argsort(-near, kind="stable")[:deep].tolist())
        found = (ranks[0] if len(ranks) == 1 else fused(ranks))[:count]
        return found

    def choose(self, request: str, count: int, always: Sequence[str] = ()) -> tuple[Tool, ...]:
        """The best tools, with those that are always offered, in the order of the index: the same set of tools is the
        same beginning of a prompt, whose keys and values are cached."""
        chosen = set(self.ranked(request, count))
        chosen |= {place for place, tool in enumerate(self.tools) if tool.name in always}
        return tuple(self.tools[place] for place in sorted(chosen))

    @cached_property
    def _words(self) -> WordIndex:
        return WordIndex([[*tool_words(tool), *self._served(tool)] for tool in self.tools])

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        assert self.embed is not None
        return self.embed(
            [f"{tool.name}: {tool.description} {' '.join(self._served(tool))}".strip() for tool in self.tools]
        )

    def _served(self, tool: Tool) -> list[str]:
        return words(" ".join(self.examples.get(tool.name, ())))


@dataclass(frozen=True)
class Choice:
    """What an agent offers: the `count` best tools for what the user said last, `always` some, and those that were
    called since, so that no call stands in a conversation that does not know its tool."""

    index: Retriever
    count: int = 10
    always: tuple[str, ...] = ()

    def __call__(self, said: Sequence[Message], tools: Sequence[Tool]) -> Sequence[Tool]:
        asked = [message.text for message in said if message.role == "user"]
        called = {call.name for message in said for call in message.calls}
        return self.index.choose(asked[-1] if asked else "", self.count, (*self.always, *called))


@dataclass(frozen=True)
class Grouped:
    """Whole groups of tools instead of single ones: the few prompts that this gives are all cached. groups: names."""

    index: Retriever
    groups: Mapping[str, Sequence[str]]
    count: int = 1

    def choose(self, request: str) -> tuple[Tool, ...]:
        """The tools of the groups that hold the best tools, in the order of the index."""
        of = {name: group for group, names in self.groups.items() for name in names}
        found: list[str] = []
        for place in self.index.ranked(request, len(self.index.tools)):
            group = of.get(self.index.tools[place].name)
            if group is not None and group not in found:
                found.append(group)
            if len(found) == self.count:
                break
        wanted = {name for group in found for name in self.groups[group]}
        return tuple(tool for tool in self.index.tools if tool.name in wanted)


def with_retrieved(row: Conversation, index: Retriever, count: int) -> Conversation:
    """A row as it is met with retrieval: the tools found for its request, with those that its calls need: training with
    the retriever in the loop. The index is of all tools."""
    request = " ".join(message.text for message in row.messages if message.role == "user")
    needed = tuple(call.name for message in row.messages for call in message.calls)
    found = index.choose(request, count, needed)
    return Conversation(
        row.id,
        found,
        row.messages,
        row.source,
        row.where,
        row.notes,
        {**row.provenance, "retrieved": count},
    )


def recall(found: Sequence[Sequence[str]], needed: Sequence[Sequence[str]]) -> float:
    """The share of the needed tools that were found, over all requests that need one.

    >>> recall([["a", "b"], ["c"]], [["a"], ["d", "c"]])
    0.6666666666666666
    """
    pairs = [(name, got) for got, due in zip(found, needed, strict=True) for name in set(due)]
    return sum(name in got for name, got in pairs) / max(1, len(pairs))


def sentence_transformer(model: str) -> Embed:
    """An embedding by a model of sentence-transformers: a folder, or a hub id. Raises MissingExtra."""
    try:
        from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise MissingExtra("vectors", "sentence-transformers") from None
    loaded = SentenceTransformer(model)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.asarray(loaded.encode(list(texts), normalize_embeddings=True), dtype=np.float32)

    return embed
