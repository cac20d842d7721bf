"""Hundreds of tools and a request -> the few that it may need, in an order that keeps prompts' beginnings the same."""

from __future__ import annotations

import re
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

_SPLIT = re.compile(r"[.;?!]\s+|,? and (?:then |also )?|,? then ")
_SHORTEST = 2


@dataclass(frozen=True)
class Retriever:
    """Tools, ranked by BM25 over names, descriptions and parameters (by: 'words'), by embeddings ('vectors') or 'both'.

    A request is read whole and in its parts (sentences, and what "and" joins), which take turns: one that asks for
    three things finds the tools of all three. examples: requests that tools served, by name; they are searched too, and
    come first where nearly all tools have some.
    """

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
        deep = max(count, _DEEP)
        texts = [*parts(request), request]
        ranks = [self._near(text, deep) for text in texts]
        if self._examples[0]:
            told = self._like_examples(request, deep)
            ranks = [told, *ranks] if 10 * len(set(self._examples[1])) >= 9 * len(self.tools) else [*ranks, told]
        return in_turn(ranks)[:count]

    def _near(self, text: str, count: int) -> list[int]:
        ranks: list[list[int]] = []
        if self.by != "vectors":
            ranks.append(self._words.matching(words(text), count))
        if self.by != "words":
            assert self.embed is not None
            ranks.append(np.argsort(-(self._vectors @ self.embed([text])[0]), kind="stable")[:count].tolist())
        return ranks[0] if len(ranks) == 1 else fused(ranks)

    def _like_examples(self, request: str, count: int) -> list[int]:
        index, served = self._examples
        assert index is not None
        return list(dict.fromkeys(served[place] for place in index.matching(words(request), count)))

    def choose(self, request: str, count: int, always: Sequence[str] = ()) -> tuple[Tool, ...]:
        """The best tools, with those that are always offered, in the order of the index: the same set of tools is the
        same beginning of a prompt, whose keys and values are cached."""
        chosen = set(self.ranked(request, count))
        chosen |= {place for place, tool in enumerate(self.tools) if tool.name in always}
        return tuple(self.tools[place] for place in sorted(chosen))

    @cached_property
    def _words(self) -> WordIndex:
        return WordIndex([tool_words(tool) for tool in self.tools])

    @cached_property
    def _examples(self) -> tuple[WordIndex | None, list[int]]:
        """Requests as an index, and the place of the tool that each was served by."""
        told = [(place, text) for place, tool in enumerate(self.tools) for text in self.examples.get(tool.name, ())]
        if not told:
            return None, []
        return WordIndex([words(text) for _, text in told]), [place for place, _ in told]

    @cached_property
    def _vectors(self) -> NDArray[np.float32]:
        assert self.embed is not None
        return self.embed([f"{tool.name}: {tool.description}" for tool in self.tools])


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


def parts(request: str) -> list[str]:
    """A request's sentences and clauses, where it has several.

    >>> parts("Switch the light on, and then play some jazz.")
    ['Switch the light on', 'play some jazz.']
    """
    found = [part for part in _SPLIT.split(request) if len(part.split()) > _SHORTEST]
    return found if len(found) > 1 else []


def in_turn(ranks: Sequence[Sequence[int]]) -> list[int]:
    """The first of every ranking, then the second of every one, each place once.

    >>> in_turn([[3, 1], [3, 2, 0]])
    [3, 1, 2, 0]
    """
    longest = max(map(len, ranks), default=0)
    return list(dict.fromkeys(rank[at] for at in range(longest) for rank in ranks if at < len(rank)))


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
