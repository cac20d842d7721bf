"""The CPU kernels against float32: attention over trees of every shape, norms, gated products, whole models."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from callwright.models import attention, kernels
from callwright.models.kernels.attention import by_kernel
from callwright.models.kernels.layers import fused_layers
from callwright.models.load import LoraSettings, add_lora
from callwright.models.scores import How
from callwright.models.tree import Layout, Node, continue_layout, make_layout
from callwright.train.batch import flatten
from callwright.train.fused import fused
from callwright.train.logprobs import Scorer
from callwright.train.loop import make_ready
from callwright.train.objectives.sft import Sft
from small_run import ROWS
from tiny import ARCHITECTURES, tiny

built = pytest.mark.skipif(bool(kernels.load()), reason=f"no kernels: {kernels.load()}")

DEEP = [
    Node(0, 100, 400, 0),
    Node(100, 150, 300, 100),
    Node(150, 220, 220, 150),
    Node(220, 300, 300, 150),
    Node(300, 400, 400, 100),
    Node(400, 471, 471, 0),
]
WIDE = [Node(0, 301, 631, 0), *(Node(301 + 33 * n, 334 + 33 * n, 334 + 33 * n, 301) for n in range(10))]


def dense(q: Tensor, k: Tensor, v: Tensor, layout: Layout, how: How) -> Tensor:
    """[1, H, T, D], [1, K, N, D] -> [1, T, H, D], with a mask of all pairs."""
    tokens, keys = q.shape[2], k.shape[2]
    at, n = keys - tokens + torch.arange(tokens)[:, None], torch.arange(keys)[None]
    seen = (n <= at) & (at < layout.last[None, :])
    if how.window:
        seen &= layout.positions[at] - layout.positions[n] < how.window
    k, v = (x.repeat_interleave(q.shape[1] // k.shape[1], 1) for x in (k, v))
    scores = (q @ k.transpose(2, 3) * how.scale).masked_fill(~seen, float("-inf"))
    return (scores.softmax(-1) @ v).transpose(1, 2)


@built
@pytest.mark.parametrize("heads", [(9, 3, 64), (4, 4, 80), (8, 1, 128), (2, 1, 16)])
@pytest.mark.parametrize("window", [None, 50])
@pytest.mark.parametrize(
    "layout",
    [make_layout(DEEP), make_layout(WIDE), make_layout([Node(0, 5, 5, 0)]), continue_layout(70, [3, 90, 41])],
    ids=["deep", "wide", "short", "continued"],
)
def test_attention_is_as_near_to_float32_as_its_parts(
    layout: Layout, heads: tuple[int, int, int], window: int | None
) -> None:
    count, groups, size = heads
    generator = torch.Generator().manual_seed(0)
    keys = len(layout.positions)
    shapes = (count, layout.tokens), (groups, keys), (groups, keys), (count, layout.tokens)
    q, k, v, grad = (torch.randn(1, *shape, size, generator=generator).bfloat16() for shape in shapes)
    how = How(size**-0.5, window, None)
    want = [x.float().requires_grad_() for x in (q, k, v)]
    expected = dense(*want, layout, how)
    expected.backward(grad.transpose(1, 2).float())
    errors = []
    for compute in (by_kernel, attention.by_parts):
        got = [x.clone().requires_grad_() for x in (q, k, v)]
        out = compute(*got, layout, how)
        out.backward(grad.transpose(1, 2))
        pairs = [
            (out.detach(), expected.detach()),
            *((one.grad, other.grad) for one, other in zip(got, want, strict=True)),
        ]
        errors.append([float((a.float() - b).norm() / b.norm()) for a, b in pairs])
    assert max(errors[0]) < 0.01
    assert all(ours <= 1.2 * theirs + 1e-4 for ours, theirs in zip(*errors, strict=True))


@built
def test_two_runs_are_equal_bit_for_bit() -> None:
    layout = make_layout(WIDE)
    q, k, v = (torch.randn(1, heads, layout.tokens, 64).bfloat16().requires_grad_() for heads in (6, 2, 2))
    made = []
    for _ in range(2):
        out = by_kernel(q, k, v, layout, How(0.125, None, None))
        made.append([out, *torch.autograd.grad(out.float().square().sum(), (q, k, v))])
    assert all(torch.equal(a, b) for a, b in zip(*made, strict=True))


@built
def test_tiles_are_divided_among_threads() -> None:
    layout, before = make_layout(WIDE), torch.get_num_threads()
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, heads, layout.tokens, 64).bfloat16().requires_grad_() for heads in (6, 2, 2))
    made = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            out = by_kernel(q, k, v, layout, How(0.125, None, None))
            made.append([out, *torch.autograd.grad(out.float().square().sum(), (q, k, v))])
    finally:
        torch.set_num_threads(before)
    out, of_queries, *of_keys = zip(*made, strict=True)
    assert torch.equal(*out) and torch.equal(*of_queries)
    # sums of each thread's own, a few of them rounded otherwise
    assert any(not torch.equal(a, b) for a, b in of_keys)
    assert all(relative(a, b) < 0.01 for a, b in of_keys)


def relative(got: Tensor, want: Tensor) -> float:
    return float((got - want).detach().float().norm() / want.detach().float().norm())


@built
@pytest.mark.parametrize("architecture", ["llama", "qwen3", "mistral"])
def test_norms_and_gated_products_are_the_modules_own(architecture: str) -> None:
    model = tiny(architecture, hidden_size=64, intermediate_size=96, head_dim=32).bfloat16()
    for parameter in model.parameters():
        parameter.requires_grad = False
    norm, mlp = model.model.layers[0].input_layernorm, model.model.layers[0].mlp
    norm.weight.data += torch.randn(64).bfloat16()
    for module, bound in ((norm, 0.01), (mlp, 0.02)):
        x = torch.randn(1, 37, 64).bfloat16().requires_grad_()
        grad = torch.randn(1, 37, 64).bfloat16()
        with fused_layers(model) as count:
            assert count >= 9
            out = module(x)
            (got,) = torch.autograd.grad(out, x, grad)
        want = module(x)
        (expected,) = torch.autograd.grad(want, x, grad)
        assert out.grad_fn is not None and relative(out, want) < bound
        assert relative(got, expected) < bound
    assert "forward" not in vars(norm)


@built
def test_other_norms_and_products_are_left_alone() -> None:
    model = tiny("gemma3", hidden_size=64, intermediate_size=96, head_dim=32).bfloat16()
    with fused_layers(model) as count:
        assert count == 0, "Gemma's norm adds one to its weight, and its product is by GELU"


@built
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_models_gradients_are_as_near_to_float32_with_kernels_as_without(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 96, "head_dim": 32}
    batch = flatten(ROWS)

    def gradients(low: bool, kernel: bool) -> Tensor:
        model = tiny(architecture, **sizes)
        model = add_lora(model.bfloat16() if low else model, LoraSettings(r=4, alpha=8), seed=0)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.1
        make_ready(model, checkpointing=False)
        monkeypatch.setattr(kernels, "ready", lambda: kernel)
        with fused(model), torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss = Sft()(Scorer(model.train()), batch).total
        loss.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    want = gradients(low=False, kernel=False)
    ours, theirs = (float((gradients(True, kernel) - want).norm() / want.norm()) for kernel in (True, False))
    assert ours < 1.3 * theirs + 0.01


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"CALLWRIGHT_KERNELS": "0"}, "CALLWRIGHT_KERNELS is 0"),
        ({"CXX": "no-such-compiler"}, "there is no C"),
        ({"CXX": "false"}, "they cannot be built or loaded"),
    ],
)
def test_without_kernels_it_says_why(setting: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    code = "from callwright.models import kernels; print(kernels.load(), kernels.ready())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert why in done.stdout and "False" in done.stdout
