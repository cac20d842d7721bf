"""Queries and keys -> scores and what follows from them, forward and back, for one part of an attention at a time.

A part is a set of queries with keys that all of them, but for a mask, see. Its result comes with the log-sum-exp of its
scores, by which parts are joined.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class How:
    """What a layer wants of its scores: the scale, an optional window (in tokens) and an optional softcap."""

    scale: float
    window: int | None
    softcap: float | None


@dataclass(frozen=True)
class Part:
    """Scores that are computed at once. shape: of them, [..., n, R, m], where n queries have R heads for a key head.

    penalty: what is added to the scores of the last keys, 0 or as good as minus infinity, to fit that shape; or None.
    """

    shape: tuple[int, ...]
    penalty: Tensor | None


def _scores(q: Tensor, k: Tensor, part: Part, how: How) -> tuple[Tensor, Tensor | None]:
    """q [b, nR, D] (scaled), k [b, m, D] -> scores [b, nR, m], and the softcap's slope."""
    scores = torch.bmm(q, k.transpose(1, 2))
    slope = None
    if how.softcap is not None:
        scores = torch.tanh(scores / how.softcap)
        slope = 1 - scores.square()
        scores = scores * how.softcap
    if part.penalty is not None:
        scores.view(part.shape)[..., -part.penalty.shape[-1] :] += part.penalty
    return scores, slope


def attend(q: Tensor, k: Tensor, v: Tensor, part: Part, how: How) -> tuple[Tensor, Tensor]:
    """q [b, nR, D], k and v [b, m, D] -> [b, nR, D] and the log-sum-exp of the scores, [b, nR] in float32."""
    if q.device.type == "cpu" and part.penalty is None and how.softcap is None and q.shape[-1] == v.shape[-1]:
        made, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q[None], k[None], v[None], 0.0, False, scale=1.0
        )
        return made[0], sums[0]
    scores, _ = _scores(q, k, part, how)
    weights = torch.softmax(scores, dim=-1)
    # exp() and logsumexp() take their slow ways through masked scores; log_softmax() does not
    highest, place = scores.max(-1, keepdim=True)
    sums = highest.float() - torch.log_softmax(scores, dim=-1, dtype=torch.float32).gather(-1, place)
    return torch.bmm(weights, v), sums.squeeze(-1)


def attend_back(
    q: Tensor, k: Tensor, v: Tensor, d_out: tuple[Tensor, Tensor], part: Part, how: How
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of q, k and v. d_out: the output's [b, nR, D], and its product with the whole output [b, nR, 1]; both
    times this part's share of the query's softmax."""
    grad, inner = d_out
    scores, slope = _scores(q, k, part, how)
    weights = torch.softmax(scores, dim=-1)
    d_v = torch.bmm(weights.transpose(1, 2), grad)
    d_scores = torch.bmm(grad, v.transpose(1, 2)).sub_(inner).mul_(weights)
    if slope is not None:
        d_scores *= slope
    return torch.bmm(d_scores, k), torch.bmm(d_scores.transpose(1, 2), q), d_v


def plain(q: Tensor, v: Tensor, how: How, window: int | None) -> bool:
    """Whether PyTorch's flash kernel for the CPU can take it."""
    return q.device.type == "cpu" and window is None and how.softcap is None and q.shape[-1] == v.shape[-1]


def penalty_of(hidden: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros_like(hidden, dtype=dtype).masked_fill_(hidden, torch.finfo(dtype).min)
