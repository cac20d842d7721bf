"""Tools and requests by their words: which tools are near one another, which requests are nearly the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from callwright.types import Conversation, Message, Tool

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")


def words(text: str) -> list[str]:
    """Lower-case words; names in snake, camel or kebab case fall into theirs.

    >>> words("getWeather for_city, v2")
    ['get', 'weather', 'for', 'city', 'v', '2']
    """
    return [word.casefold() for word in _PART.findall(text)]


def tool_words(tool: Tool) -> list[str]:
    """Of the name, the description, and the parameters' names and descriptions."""
    properties = tool.parameters.get("properties") or {}
    parts = [tool.name, tool.description, *properties]
    parts += [str(schema.get("description", "")) for schema in properties.values() if isinstance(schema, dict)]
    return words(" ".join(parts))


def request_text(row: Conversation) -> str:
    """What the user says in a row, one turn a line."""
    return "\n".join(message.text for message in row.messages if message.role == "user")


def request_words(messages: Iterable[Message]) -> str:
    """What two rows share whose users say the same words, whatever their case and marks: the key of a request."""
    return " ".join(word for message in messages if message.role == "user" for word in words(message.text))


@dataclass(frozen=True)
class WordIndex:
    """Texts, each as its words, ranked by BM25."""

    documents: Sequence[Sequence[str]]

    @cached_property
    def _index(self) -> Any:
        import bm25s

        index = bm25s.BM25()
        index.index([list(document) or ["-"] for document in self.documents], show_progress=False)
        return index

    def search(self, query: Sequence[str], count: int) -> list[int]:
        """The places of the documents that the words fit best, best first; also of some that share none."""
        return [place for place, _ in self._found(query, count)]

    def matching(self, query: Sequence[str], count: int) -> list[int]:
        """As `search`, without documents that share no word with the query.

        >>> WordIndex([["a", "b"], ["c"], ["b"]]).matching(["b", "d"], 3)
        [2, 0]
        """
        return [place for place, score in self._found(query, count) if score > 0]

    def _found(self, query: Sequence[str], count: int) -> list[tuple[int, float]]:
        if not self.documents or not query:
            return []
        found = self._index.retrieve([list(query)], k=min(count, len(self.documents)), show_progress=False)
        return [(int(place), float(score)) for place, score in zip(found[0][0], found[1][0], strict=True)]


@dataclass(frozen=True)
class ToolIndex:
    """Tools ranked by BM25 over their words."""

    tools: Sequence[Tool]

    @cached_property
    def _index(self) -> WordIndex:
        return WordIndex([tool_words(tool) for tool in self.tools])

    def nearest(self, tool: Tool, count: int) -> list[Tool]:
        """The tools nearest to one, itself left out, nearest first."""
        return [found for found in self.search(tool_words(tool), count + 1) if found.name != tool.name][:count]

    def search(self, query: Sequence[str], count: int) -> list[Tool]:
        """The tools that the words fit best."""
        return [self.tools[number] for number in self._index.search(query, count)]
