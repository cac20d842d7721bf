"""A causal language model -> log-probabilities of chosen next tokens, from the logits of some places at a time.

The hidden states of the supervised places go through the output layer chunk by chunk, so a vocabulary of 262,144 costs
no more memory than one of 49,152. How a model makes logits of hidden states (a bias, a factor, a softcap) is read from
its configuration and compared with the model's own logits once; where they differ, its own are used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from callwright.models.estimate import PLACES
from callwright.models.load import inner
from callwright.models.shared_kv import FlatKV
from callwright.models.tree import Node, make_layout
from callwright.train.batch import MicroBatch


@dataclass(frozen=True)
class Head:
    """What a model does after its hidden states: z = factor * (h W^T + bias), and cap * tanh(z / cap) where it caps."""

    factor: float = 1.0
    cap: float | None = None


def _chunks(places: int) -> Iterator[slice]:
    for low in range(0, places, PLACES):
        yield slice(low, min(low + PLACES, places))


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor | None, head: Head) -> tuple[Tensor, Tensor | None]:
    """Logits in float32, and the slope of the cap."""
    logits = nn.functional.linear(hidden, weight, bias).float()
    if head.factor != 1.0:
        logits *= head.factor
    if head.cap is None:
        return logits, None
    bent = torch.tanh_(logits.div_(head.cap))
    return bent * head.cap, 1 - bent.square()


class _Logprobs(torch.autograd.Function):
    """hidden [N, D], weight [V, D] -> log-probabilities of `targets` [N]. The gradient computes logits again."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, head: Head) -> Any:
        found = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        hits = torch.zeros((), device=hidden.device)
        for part in _chunks(len(targets)):
            every = torch.log_softmax(_logits(hidden[part], weight, bias, head)[0], dim=-1)
            found[part] = every.gather(1, targets[part, None]).squeeze(1)
            hits += (every.amax(-1) == found[part]).sum()
        ctx.save_for_backward(hidden, weight, bias, targets)
        ctx.head = head
        ctx.mark_non_differentiable(hits)
        return found, hits

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        hidden, weight, bias, targets = ctx.saved_tensors
        made = _Gradients(hidden, weight, bias, ctx.head, ctx.needs_input_grad)
        for part in _chunks(len(targets)):
            logits, slope = _logits(hidden[part], weight, bias, ctx.head)
            made.add(part, torch.softmax(logits, dim=-1), slope, (targets[part], grad[part]))
        return (*made.found, None, None)


class _Weighted(torch.autograd.Function):
    """As `_Logprobs`, for the sum of log-probabilities times known weights: one pass over the logits does for both."""

    @staticmethod
    def forward(  # noqa: PLR0913  # torch wants each tensor as an argument of its own
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, weights: Tensor, head: Head
    ) -> Any:
        made = _Gradients(hidden, weight, bias, head, ctx.needs_input_grad)
        total = torch.zeros((), device=hidden.device)
        hits = torch.zeros((), device=hidden.device)
        for part in _chunks(len(targets)):
            logits, slope = _logits(hidden[part], weight, bias, head)
            every = torch.log_softmax(logits, dim=-1)
            found = every.gather(1, targets[part, None]).squeeze(1)
            hits += (every.amax(-1) == found).sum()
            total += (found * weights[part]).sum()
            made.add(part, every.exp_(), slope, (targets[part], weights[part]))
        ctx.save_for_backward(*made.found)
        ctx.mark_non_differentiable(hits)
        return total, hits

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return (*(None if one is None else one * grad for one in ctx.saved_tensors), None, None, None)


class _Gradients:
    """Gradients of hidden states, output weight and bias, chunk by chunk; of those that are wanted."""

    def __init__(self, hidden: Tensor, weight: Tensor, bias: Tensor | None, head: Head, wanted: Sequence[bool]) -> None:
        self._hidden, self._weight, self._head = hidden, weight, head
        self._d_hidden = torch.empty_like(hidden) if wanted[0] else None
        # float32 sums over chunks
        self._d_weight = torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None
        self._d_bias = torch.zeros_like(bias, dtype=torch.float32) if bias is not None and wanted[2] else None

    def add(self, part: slice, shares: Tensor, slope: Tensor | None, of: tuple[Tensor, Tensor]) -> None:
        """shares [n, V]: the softmax, which is overwritten. of: the targets, and the gradients of their
        log-probabilities, [n] both."""
        targets, grad = of
        if self._d_hidden is None and self._d_weight is None:
            return
        d_logits = shares.neg_()
        d_logits[torch.arange(len(targets), device=targets.device), targets] += 1
        d_logits *= grad[:, None] * self._head.factor
        if slope is not None:
            d_logits *= slope
        if self._d_bias is not None:
            self._d_bias += d_logits.sum(0)
        low = d_logits.to(self._weight.dtype)
        if self._d_hidden is not None:
            self._d_hidden[part] = low @ self._weight
        if self._d_weight is not None:
            self._d_weight += low.T @ self._hidden[part]

    @property
    def found(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        return self._d_hidden, self._d_weight, self._d_bias


class Scorer(nn.Module):
    """A model that is asked for the log-probabilities of a MicroBatch's targets. `own_logits`: by the model's own
    output layer, because what it does is not what `Head` can say. temperature: what logits are divided by."""

    def __init__(self, model: Any, temperature: float = 1.0) -> None:
        super().__init__()
        self.model = model
        base = inner(model)
        output = base.get_output_embeddings()
        # in lists, because they are modules of `model` already and must not be registered here again
        self._decoder, self._output = [base.get_decoder()], [output]
        config = base.config.get_text_config()
        factor = 1 / config.logits_scaling if getattr(config, "logits_scaling", None) else 1.0
        self._head = Head(
            factor * (getattr(config, "logit_scale", None) or 1.0), getattr(config, "final_logit_softcapping", None)
        )
        capped = self._head.cap is not None and temperature != 1
        self.own_logits = capped or type(output) is not nn.Linear or not self._agrees()
        self._head = replace(self._head, factor=self._head.factor / temperature)
        self._temperature = temperature

    def forward(self, batch: MicroBatch, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """[N] log-probabilities, or with `weights` [N] the sum of them times these; and how many targets are the
        likeliest token, as a tensor."""
        if self.own_logits:
            found, hits = self._by_own_logits(batch)
            return (found, hits) if weights is None else ((found * weights).sum(), hits)
        hidden = self._decoder[0](**_inputs(batch)).last_hidden_state[0, batch.predict]
        output, device = self._output[0], hidden.device.type
        low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else output.weight.dtype
        with torch.autocast(device, enabled=False):
            bias = None if output.bias is None else output.bias.to(low)
            known = (hidden.to(low), output.weight.to(low), bias, batch.targets)
            if weights is None:
                return _Logprobs.apply(*known, self._head)  # type: ignore[no-any-return]
            return _Weighted.apply(*known, weights, self._head)  # type: ignore[no-any-return]

    def keys(self, batch: MicroBatch) -> list[tuple[Tensor, Tensor]]:
        """Every layer's keys and values [K, T, D] of a pass."""
        kept = FlatKV()
        self._decoder[0](**{**_inputs(batch), "past_key_values": kept, "use_cache": True})
        return [kept.own[layer] for layer in sorted(kept.own)]

    def _by_own_logits(self, batch: MicroBatch) -> tuple[Tensor, Tensor]:
        logits = self.model(**_inputs(batch), logits_to_keep=batch.predict).logits[0]
        found, hits = [], torch.zeros((), device=logits.device)
        for part in _chunks(len(batch.targets)):
            every = torch.log_softmax(logits[part].float() / self._temperature, dim=-1)
            found.append(every.gather(1, batch.targets[part, None]).squeeze(1))
            hits += (every.detach().amax(-1) == found[-1].detach()).sum()
        return torch.cat(found) if found else logits.new_zeros(0, dtype=torch.float32), hits

    @torch.no_grad()
    def _agrees(self) -> bool:
        """Whether the head as it was understood gives the model's own logits, on a few tokens."""
        training = self.model.training
        self.model.eval()
        try:
            weight = self._output[0].weight
            ids = torch.arange(8, device=weight.device) % len(weight)
            inputs = {"input_ids": ids[None], "use_cache": False}
            layout = make_layout([Node(0, 8, 8, 0)]).to(weight.device)
            want = self.model(**inputs, layout=layout).logits[0].float()
            hidden = self._decoder[0](**inputs, layout=layout).last_hidden_state[0]
            got = _logits(hidden.to(weight.dtype), weight, self._output[0].bias, self._head)[0]
        finally:
            self.model.train(training)
        return torch.allclose(got, want, rtol=0.02, atol=0.02)


def _inputs(batch: MicroBatch) -> dict[str, Any]:
    cache = {"use_cache": False} if batch.trunk is None else {"use_cache": True, "past_key_values": FlatKV(batch.trunk)}
    return {
        "input_ids": batch.token_ids[None],
        "position_ids": batch.layout.positions[None, batch.layout.past :],
        "layout": batch.layout,
        **cache,
    }
