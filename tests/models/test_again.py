"""What is made again in the backward pass gives the gradients of what is kept, once for all who want it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from callwright.models.again import again_of, can_be_made
from callwright.models.load import LoraSettings, add_lora
from callwright.train.lora import fused_lora
from tiny import tiny


def test_it_is_made_once_for_every_backward_pass() -> None:
    made = []

    def double(x: Tensor) -> Tensor:
        made.append(x)
        return 2 * x

    x = torch.ones(3)
    tensor = can_be_made(double(x), double, x)
    users = [again_of(tensor), again_of(tensor)]
    for _ in range(2):
        made.clear()
        found = [user.maker.get(user.inputs) for user in users if user is not None]
        assert len(found) == 2
        assert all(torch.equal(one, tensor) for one in found)
        assert len(made) == 1
    assert again_of(x) is None


def test_gradients_are_those_of_kept_inputs() -> None:
    def gradients(*, again: bool) -> list[Tensor]:
        model = add_lora(tiny("llama"), LoraSettings(r=4), 0)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(weight, generator=torch.Generator().manual_seed(1))
        for module in model.modules():
            if again and type(module).__name__.endswith("RMSNorm"):
                module.forward = _told(module)  # type: ignore[method-assign]
        ids = torch.arange(3, 40)[None]
        with fused_lora(model):
            model(input_ids=ids, labels=ids).loss.backward()
        return [weight.grad for weight in model.parameters() if weight.grad is not None]

    plain, told = gradients(again=False), gradients(again=True)
    assert plain
    assert all(torch.equal(one, other) for one, other in zip(plain, told, strict=True))


def _told(module: nn.Module) -> Any:
    own = type(module).forward

    def forward(x: Tensor) -> Tensor:
        return can_be_made(own(module, x), lambda x: own(module, x), x)

    return forward
