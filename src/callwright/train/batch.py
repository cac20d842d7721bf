"""Rendered rows -> the order they are trained in, and the flat micro-batches of one optimizer step."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from callwright.models.attention import Group, Layout, make_layout
from callwright.types import Rendered

# Below this, one more row of packing costs less than what a shared prefix saves.
_SHORTEST_SHARED = 16


@dataclass(frozen=True)
class MicroBatch:
    """One forward pass. T flat tokens, N supervised places.

    token_ids, [T]. predict [N]: flat places whose next token is supervised. targets [N]: that next token.
    loss_weights [N]. rows: how many rows are inside. total_weight: sum of loss_weights.
    """

    token_ids: Tensor
    layout: Layout
    predict: Tensor
    targets: Tensor
    loss_weights: Tensor
    rows: int

    @property
    def total_weight(self) -> float:
        return float(self.loss_weights.sum())

    def to(self, device: torch.device | str) -> MicroBatch:
        """The same batch on `device`."""
        return MicroBatch(
            self.token_ids.to(device),
            self.layout.to(device),
            self.predict.to(device),
            self.targets.to(device),
            self.loss_weights.to(device),
            self.rows,
        )


@dataclass(frozen=True)
class Plan:
    """How rows become steps: `batch_size` rows a step, at most `max_tokens` flat tokens a forward pass.

    Rows with one prefix stay together in clusters of up to `cluster` rows, so that it is computed once for them.
    """

    batch_size: int
    max_tokens: int
    seed: int
    cluster: int = 8
    share_prefixes: bool = True


def prefix_keys(rows: Sequence[Rendered], plan: Plan) -> list[int]:
    """For each row the number of its prefix: rows with equal prefix tokens have equal numbers; -1 shares nothing."""
    known: dict[tuple[int, ...], int] = {}
    keys = []
    for row in rows:
        prefix = tuple(row.token_ids[: row.prefix_len])
        short = len(prefix) < _SHORTEST_SHARED or not plan.share_prefixes
        keys.append(-1 if short else known.setdefault(prefix, len(known)))
    return keys


def epoch_order(keys: Sequence[int], plan: Plan, epoch: int) -> list[int]:
    """Row numbers in training order: a pure function of (keys, plan, epoch), so that a resumed run needs no state.

    Where every row has the same prefix this is a plain shuffle; elsewhere clusters of one prefix are shuffled.
    """
    shuffle = random.Random(f"{plan.seed}-{epoch}")
    order = list(range(len(keys)))
    shuffle.shuffle(order)
    if len(set(keys)) <= 1:
        return order
    clusters: list[list[int]] = []
    open_cluster: dict[int, list[int]] = {}
    for row in order:
        key = keys[row]
        cluster = open_cluster.get(key)
        if key < 0 or cluster is None or len(cluster) >= plan.cluster:
            cluster = []
            clusters.append(cluster)
            open_cluster[key] = cluster
        cluster.append(row)
    shuffle.shuffle(clusters)
    return [row for cluster in clusters for row in cluster]


def step_rows(keys: Sequence[int], plan: Plan, step: int) -> list[int]:
    """The rows of optimizer step `step` (from 0). Steps run on over the end of an epoch without a short batch."""
    start = step * plan.batch_size
    chosen: list[int] = []
    while len(chosen) < plan.batch_size:
        epoch, offset = divmod(start + len(chosen), len(keys))
        chosen += epoch_order(keys, plan, epoch)[offset : offset + plan.batch_size - len(chosen)]
    return chosen


def micro_batches(rows: Sequence[Rendered], keys: Sequence[int], plan: Plan) -> Iterator[MicroBatch]:
    """The rows of one step as forward passes of at most `max_tokens` tokens (a single longer row goes alone)."""
    by_prefix: dict[int, list[Rendered]] = {}
    for number, (row, key) in enumerate(zip(rows, keys, strict=True)):
        by_prefix.setdefault(key if key >= 0 else -number - 1, []).append(row)
    pending: list[list[Rendered]] = []
    tokens = 0
    for same in sorted(by_prefix.values(), key=lambda group: -len(group)):
        fresh = True
        for row in same:
            cost = len(row.token_ids) - (0 if fresh else row.prefix_len)
            if pending and tokens + cost > plan.max_tokens:
                yield flatten(pending)
                pending, tokens, fresh, cost = [], 0, True, len(row.token_ids)
            if fresh:
                pending.append([])
            pending[-1].append(row)
            tokens += cost
            fresh = False
    if pending:
        yield flatten(pending)


def flatten(groups: Sequence[Sequence[Rendered]]) -> MicroBatch:
    """Groups of rows with one prefix each (a group of one row shares nothing) -> one MicroBatch."""
    ids: list[int] = []
    places: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    spans: list[Group] = []
    for group in groups:
        prefix = group[0].prefix_len if len(group) > 1 else len(group[0].token_ids)
        start = len(ids)
        ids += group[0].token_ids[:prefix]
        suffixes = []
        for row in group:
            low = len(ids)
            ids += row.token_ids[prefix:]
            if len(group) > 1:
                suffixes.append((low, len(ids)))
            shift = low - prefix
            for place, weight in enumerate(row.weights):
                if weight and place:
                    # the token at `place` is predicted from the one before it, which may be the prefix's last
                    places.append(start + place - 1 if place - 1 < prefix else shift + place - 1)
                    targets.append(row.token_ids[place])
                    weights.append(weight)
        spans.append(Group((start, start + prefix), tuple(suffixes)))
    return MicroBatch(
        torch.tensor(ids),
        make_layout(spans),
        torch.tensor(places, dtype=torch.long),
        torch.tensor(targets, dtype=torch.long),
        torch.tensor(weights),
        sum(len(group) for group in groups),
    )
