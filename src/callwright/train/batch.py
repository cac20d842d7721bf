"""Rendered rows -> what is trained together: the examples of a step, its forward passes, and each as one flat sequence.

An example is what a loss looks at as one: a row, or the two rows of a preference. Rows that begin alike are computed
once as far as they do, at any depth: system text and tools, the dialogue so far, the beginning of a reply.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from callwright.models.shared_kv import PrefixKV
from callwright.models.tree import Layout, Node, make_layout
from callwright.types import Rendered

Example = tuple[Rendered, ...]

# Below this, one more node of the tree costs more than what a shared beginning saves.
_SHORTEST_SHARED = 16
# A trunk that is shorter costs more than what it saves.
_SHORTEST_TRUNK = 64
# Rows that share so many tokens beyond their prefix, and half of what is their own, stay together.
_WORTH_KEEPING = 64


@dataclass(frozen=True)
class MicroBatch:
    """One forward pass. T flat tokens, N supervised places.

    token_ids [T]. predict [N]: flat places whose next token is supervised. targets [N]: that next token.
    loss_weights [N]. owners [N]: the number of the row that a place counts for. names: the rows' ids, by that number.
    trunk: the keys and values of tokens that all of these continue, where another pass computed them.
    """

    token_ids: Tensor
    layout: Layout
    predict: Tensor
    targets: Tensor
    loss_weights: Tensor
    owners: Tensor
    names: tuple[str, ...]
    trunk: PrefixKV | None = None

    @property
    def rows(self) -> int:
        """How many rows are inside."""
        return len(self.names)

    @property
    def total_weight(self) -> float:
        """The sum of the loss weights."""
        return float(self.loss_weights.sum())

    def to(self, device: torch.device | str) -> MicroBatch:
        """The same batch on `device`."""
        return replace(
            self,
            token_ids=self.token_ids.to(device),
            layout=self.layout.to(device),
            predict=self.predict.to(device),
            targets=self.targets.to(device),
            loss_weights=self.loss_weights.to(device),
            owners=self.owners.to(device),
        )

    def silent(self) -> MicroBatch:
        """The same pass without any loss: what a process computes while others have more to do."""
        return replace(self, loss_weights=torch.zeros_like(self.loss_weights))


@dataclass(frozen=True)
class Plan:
    """How examples become steps: `batch_size` examples a step, at most `max_tokens` flat tokens a forward pass.

    Rows with one prefix stay together in clusters of up to `cluster` examples, so that it is computed once for them.
    """

    batch_size: int
    max_tokens: int
    seed: int
    cluster: int = 8
    share_prefixes: bool = True


class Schedule:
    """Which examples each step trains, a pure function of examples and plan, so that a resumed run needs no state.

    Where every row has the same prefix an epoch is a plain shuffle; elsewhere clusters that share one are shuffled, and
    within all of them examples that share more than a prefix stay side by side.
    """

    def __init__(self, examples: Sequence[Example], plan: Plan) -> None:
        self._plan = plan
        self._count = len(examples)
        self._units = _units(examples, plan)
        self._keys = _prefix_keys(examples, plan)
        self.epoch = lru_cache(maxsize=2)(self._epoch)

    def step(self, step: int) -> list[int]:
        """The examples of optimizer step `step` (from 0). Steps run on over the end of an epoch."""
        size = self._plan.batch_size
        chosen: list[int] = []
        while len(chosen) < size:
            epoch, offset = divmod(step * size + len(chosen), self._count)
            chosen += self.epoch(epoch)[offset : offset + size - len(chosen)]
        return chosen

    def _epoch(self, epoch: int) -> list[int]:
        shuffle = random.Random(f"{self._plan.seed}-{epoch}")
        units = list(self._units)
        shuffle.shuffle(units)
        if len(set(self._keys)) <= 1:
            return [number for unit in units for number in unit]
        clusters: list[list[int]] = []
        open_cluster: dict[int, list[int]] = {}
        for unit in units:
            key = self._keys[unit[0]]
            cluster = open_cluster.get(key)
            if key < 0 or cluster is None or len(cluster) + len(unit) > self._plan.cluster:
                cluster = []
                clusters.append(cluster)
                open_cluster[key] = cluster
            cluster += unit
        shuffle.shuffle(clusters)
        return [number for cluster in clusters for number in cluster]


def _prefix_keys(examples: Sequence[Example], plan: Plan) -> list[int]:
    """For each example the number of its prefix: those with equal prefix tokens have equal numbers; -1 shares none."""
    known: dict[tuple[int, ...], int] = {}
    keys = []
    for first, *_ in examples:
        prefix = tuple(first.token_ids[: first.prefix_len])
        short = len(prefix) < _SHORTEST_SHARED or not plan.share_prefixes
        keys.append(-1 if short else known.setdefault(prefix, len(known)))
    return keys


def _units(examples: Sequence[Example], plan: Plan) -> list[tuple[int, ...]]:
    """Example numbers, those side by side that share much beyond their prefix: several targets of one prompt, the
    turns of one dialogue."""
    if not plan.share_prefixes:
        return [(number,) for number in range(len(examples))]
    arrays = [np.asarray(first.token_ids) for first, *_ in examples]
    order = sorted(range(len(examples)), key=lambda number: list(examples[number][0].token_ids))
    units: list[list[int]] = []
    for place, number in enumerate(order):
        before = order[place - 1] if place else number
        base = examples[number][0].prefix_len
        saved = common(arrays[before], arrays[number]) - base if place else 0
        own = min(len(arrays[before]), len(arrays[number])) - base
        if place and saved >= _WORTH_KEEPING and 2 * saved >= own and len(units[-1]) < plan.cluster:
            units[-1].append(number)
        else:
            units.append([number])
    return sorted((tuple(sorted(unit)) for unit in units), key=lambda unit: unit[0])


def common(a: np.ndarray, b: np.ndarray) -> int:
    """How many tokens two rows begin with alike."""
    length = min(len(a), len(b))
    differ = a[:length] != b[:length]
    return int(differ.argmax()) if differ.any() else length


def passes(examples: Sequence[Example], plan: Plan, processes: int = 1) -> list[list[list[Example]]]:
    """The examples of one step -> for each process its forward passes, each of at most `max_tokens` flat tokens.

    A larger example has a pass of its own. Every process has equally many, because they wait for one another: one that
    has fewer gets empty ones. Examples that share most stand in one pass.
    """
    order = sorted(examples, key=lambda example: list(example[0].token_ids))
    costs = _costs(order, plan)
    parts: list[list[list[Example]]] = []
    for share in _shares(costs, processes):
        made: list[list[Example]] = []
        tokens = 0
        for number in share:
            cost = costs[number] if made else _alone(order[number])
            if not made or tokens + cost > plan.max_tokens:
                made.append([])
                tokens, cost = 0, _alone(order[number])
            made[-1].append(order[number])
            tokens += cost
        parts.append(made)
    most = max(map(len, parts))
    return [part + [[] for _ in range(most - len(part))] for part in parts]


def _costs(order: Sequence[Example], plan: Plan) -> list[int]:
    """How many flat tokens each example adds to the one before it, at most: the tree may share 15 tokens less than two
    rows do, where more rows than these agree on less."""
    costs = []
    for place, example in enumerate(order):
        cost = _alone(example)
        if place and plan.share_prefixes:
            shared = common(np.asarray(order[place - 1][0].token_ids), np.asarray(example[0].token_ids))
            cost -= max(0, shared - _SHORTEST_SHARED + 1)
        costs.append(cost)
    return costs


def _alone(example: Example) -> int:
    """Flat tokens of one example: its rows share what they begin with."""
    first = np.asarray(example[0].token_ids)
    total = len(first)
    for row in example[1:]:
        shared = common(first, np.asarray(row.token_ids))
        total += len(row.token_ids) - max(0, shared - _SHORTEST_SHARED + 1)
    return total


def _shares(costs: Sequence[int], processes: int) -> Iterator[range]:
    """Neighbouring examples for each process, of about equal cost."""
    ends = np.cumsum(costs) if costs else np.zeros(0)
    bounds = [int(np.searchsorted(ends, ends[-1] * part / processes)) for part in range(1, processes)]
    low = 0
    for high in [*bounds, len(costs)]:
        yield range(low, max(low, high))
        low = max(low, high)


def trunk_length(parts: Sequence[Sequence[Example]], plan: Plan) -> int:
    """How many tokens all rows of several passes begin with alike, before anything is supervised: computed once for all
    of them. 0 for a single pass, and where that is not worth a pass of its own."""
    rows = [row for part in parts for example in part for row in example]
    if len(parts) < 2 or not plan.share_prefixes or not rows:
        return 0
    first = np.asarray(rows[0].token_ids)
    shared = min([_silent(rows[0]), *(min(_silent(row), common(first, np.asarray(row.token_ids))) for row in rows[1:])])
    return shared if shared >= _SHORTEST_TRUNK else 0


def _silent(row: Rendered) -> int:
    """So many tokens of a row predict nothing that is supervised."""
    return next((token for token, weight in enumerate(row.weights) if weight), len(row.weights)) - 1


def trunk_pass(row: Rendered, length: int) -> MicroBatch:
    """The pass that computes a trunk; nothing in it is supervised."""
    return flatten([(replace(row, token_ids=row.token_ids[:length], weights=[0.0] * length),)])


def flattened(parts: Sequence[Sequence[Example]], plan: Plan, *, trunk: bool = True) -> list[MicroBatch]:
    """All that a step computes: its trunk, if its passes have one and may, and the passes."""
    length = trunk_length(parts, plan) if trunk else 0
    first = [trunk_pass(parts[0][0][0], length)] if length else []
    return [*first, *(flatten(part, plan.share_prefixes, length) for part in parts)]


def flatten(examples: Sequence[Example], share: bool = True, trunk: int = 0) -> MicroBatch:
    """Examples -> one MicroBatch, every common beginning of at least 16 tokens once; without the `trunk` tokens that
    all of them begin with."""
    rows = [row for example in examples for row in example]
    order = sorted(range(len(rows)), key=lambda number: list(rows[number].token_ids))
    tree = _Tree([rows[number] for number in order], share, trunk)
    predict: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    owners: list[int] = []
    for place, number in enumerate(order):
        row, at = rows[number], tree.places(place)
        for token, weight in enumerate(row.weights):
            if weight and token:
                predict.append(at[token - 1 - trunk])
                targets.append(row.token_ids[token])
                weights.append(weight)
                owners.append(number)
    return MicroBatch(
        torch.tensor(tree.ids),
        make_layout(tree.nodes, trunk),
        torch.tensor(predict, dtype=torch.long),
        torch.tensor(targets, dtype=torch.long),
        torch.tensor(weights),
        torch.tensor(owners, dtype=torch.long),
        tuple(row.id for row in rows),
    )


class _Tree:
    """Rows in the order of their tokens -> `ids`, the flat sequence behind their trunk, and its `nodes`."""

    def __init__(self, rows: Sequence[Rendered], share: bool, trunk: int) -> None:
        self._rows = rows
        arrays = [np.asarray(row.token_ids) for row in rows]
        self._shared = [0, *(common(a, b) if share else 0 for a, b in pairwise(arrays))]
        self.ids: list[int] = []
        self.nodes: list[Node] = []
        self._paths: list[list[int]] = [[] for _ in rows]
        self._grow(0, len(rows), trunk, [])

    def places(self, row: int) -> list[int]:
        """Where the tokens of a row, behind the trunk, stand in the flat sequence."""
        return [place for node in self._paths[row] for place in range(self.nodes[node].start, self.nodes[node].end)]

    def _grow(self, low: int, high: int, depth: int, path: list[int]) -> None:
        """The nodes below one, of rows [low, high) that agree up to `depth`."""
        cuts = [low, *(n for n in range(low + 1, high) if self._shared[n] < depth + _SHORTEST_SHARED), high]
        for first, behind in pairwise(cuts):
            alone = behind - first == 1
            end = len(self._rows[first].token_ids) if alone else min(self._shared[first + 1 : behind])
            here, number, start = path, len(self.nodes), len(self.ids)
            if end > depth:
                self.ids += self._rows[first].token_ids[depth:end]
                self.nodes.append(Node(start, len(self.ids), len(self.ids), depth))
                here = [*path, number]
            if alone:
                self._paths[first] = here
                continue
            self._grow(first, behind, end, here)
            self.nodes[number] = replace(self.nodes[number], last=len(self.ids))
