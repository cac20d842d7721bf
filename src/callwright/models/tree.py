"""Token rows that begin alike -> one flat sequence in which every common beginning stands once, and what sees what.

The flat sequence is a trie written depth first: a node's tokens, then all that continues it. A token sees the tokens
of its own node up to itself, and those of every node above. Behind a token, exactly what continues it stands in one
stretch, so a single number a token (`Layout.last`) says who sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

# Small nodes are computed side by side, in tiles of one of these sizes.
_TILE_SIZES = (32, 64, 128)
# What one more long node costs beside its scores, in scores: the calls that it takes.
_LONG_NODE = 1 << 15


@dataclass(frozen=True)
class Node:
    """Tokens [start, end) of the flat sequence, the first of them at `position` of its row. What continues them stands
    at [end, last); a leaf ends where it ends."""

    start: int
    end: int
    last: int
    position: int


@dataclass(frozen=True)
class Tiles:
    """Small nodes, each with all that continues it, one or more to a tile of `size` places.

    gather [B * size]: the query that stands at a place (0 where none does). slots [n], queries [n]: the places that are
    taken, and by which query. hidden [B, size, size]: True where a query may not see a key of its tile.
    """

    size: int
    gather: Tensor
    slots: Tensor
    queries: Tensor
    hidden: Tensor

    def to(self, device: torch.device | str) -> Tiles:
        """The same tiles with their tensors on `device`."""
        moved = (one.to(device) for one in (self.gather, self.slots, self.queries, self.hidden))
        return Tiles(self.size, *moved)


@dataclass(frozen=True)
class Long:
    """A node that is computed by itself: queries [low, high), each of which sees those before it."""

    queries: tuple[int, int]
    position: int


@dataclass(frozen=True)
class Seen:
    """Keys [low, high) of a node, and queries [low, high) of all that continues it: every one sees all."""

    queries: tuple[int, int]
    keys: tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """One flat sequence of T tokens; its keys are those of P earlier tokens and then its own, N = P + T.

    positions [N]: each key's place in its row. last [N]: where the last query that sees a key ends, counted among keys.
    longest: a row's length. prepared: what an attention kernel made of it, kept for the next layer.
    """

    positions: Tensor
    last: Tensor
    tiles: Tiles | None
    long: tuple[Long, ...]
    seen: tuple[Seen, ...]
    longest: int
    prepared: dict[Any, Any] = field(default_factory=dict, compare=False)

    @property
    def past(self) -> int:
        """How many keys stand before the flat sequence's own."""
        return len(self.positions) - self.tokens

    @property
    def tokens(self) -> int:
        """How many queries there are."""
        return (len(self.tiles.queries) if self.tiles else 0) + sum(
            one.queries[1] - one.queries[0] for one in self.long
        )

    def to(self, device: torch.device | str) -> Layout:
        """The same layout with its tensors on `device`."""
        tiles = self.tiles.to(device) if self.tiles else None
        return replace(self, positions=self.positions.to(device), last=self.last.to(device), tiles=tiles, prepared={})


def make_layout(nodes: Sequence[Node], past: int = 0) -> Layout:
    """Nodes in flat order, a node before what continues it, without a gap between them -> what there is to compute.

    past: tokens that all of them continue, whose keys were computed earlier; they count in `Node.position` alone.
    """
    positions = [torch.arange(node.position, node.position + node.end - node.start) for node in nodes]
    last = torch.cat([torch.full((node.end - node.start,), node.last) for node in nodes])
    size = min(_TILE_SIZES, key=lambda size: _cost(nodes, size))
    groups, long = _grouped(nodes, size)
    above = [Seen((node.end, node.last), (past + node.start, past + node.end)) for node in long if node.last > node.end]
    if past:
        above.insert(0, Seen((0, len(last)), (0, past)))
    places = torch.cat([torch.arange(past), *positions])
    return Layout(
        places,
        torch.cat([torch.full((past,), past + len(last)), past + last]),
        _tiles(groups, size, last) if groups else None,
        tuple(Long((node.start, node.end), node.position) for node in long),
        tuple(above),
        int(places.max()) + 1,
    )


def continue_layout(past: int, lengths: Sequence[int]) -> Layout:
    """Rows of `lengths` tokens that continue one prefix of `past` tokens, whose keys were computed earlier."""
    ends = list(accumulate(lengths, initial=0))
    return make_layout([Node(low, high, high, past) for low, high in pairwise(ends)], past)


def _grouped(nodes: Sequence[Node], size: int) -> tuple[list[tuple[int, int]], list[Node]]:
    """Spans of small nodes that fit a tile together, each whole with all that continues it; and the long nodes."""
    groups: list[tuple[int, int]] = []
    long: list[Node] = []
    inside = 0
    for node in nodes:
        if node.start < inside:
            continue
        if node.last - node.start > size:
            long.append(node)
            continue
        inside = node.last
        if groups and groups[-1][1] == node.start and node.last - groups[-1][0] <= size:
            groups[-1] = (groups[-1][0], node.last)
        else:
            groups.append((node.start, node.last))
    return groups, long


def _cost(nodes: Sequence[Node], size: int) -> int:
    """Scores in the tiles and of the long nodes, and what these cost beside them."""
    groups, long = _grouped(nodes, size)
    return len(groups) * size * size + sum((node.end - node.start) ** 2 // 2 + _LONG_NODE for node in long)


def _tiles(groups: Sequence[tuple[int, int]], size: int, last: Tensor) -> Tiles:
    gather = torch.zeros(len(groups), size, dtype=torch.long)
    # what stands at no place sees itself, so that its softmax is of something
    hidden = ~torch.eye(size, dtype=torch.bool).repeat(len(groups), 1, 1)
    slots = []
    for number, (low, high) in enumerate(groups):
        place = torch.arange(low, high)
        count = high - low
        gather[number, :count] = place
        hidden[number, :count, :count] = (place[None, :] > place[:, None]) | (place[:, None] >= last[None, low:high])
        slots.append(torch.arange(count) + number * size)
    queries = torch.cat([torch.arange(low, high) for low, high in groups])
    return Tiles(size, gather.flatten(), torch.cat(slots), queries, hidden)
