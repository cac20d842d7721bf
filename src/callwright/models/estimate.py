"""A model's configuration and a pass -> the memory and the arithmetic that training it takes, before it is loaded.

Activations are counted tensor by tensor as this loop keeps them. What a process holds before any model, and what malloc
keeps of what was freed, are one constant each, measured by benchmarks/estimate.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

GIB = 2**30
# a Python process with torch, transformers and PEFT imported
_PROCESS = 0.75 * GIB
# places whose logits stand in memory at once: enough that reading the weights costs less than the product
PLACES = 256
# of each: logits in 16 bits and in float32, their softmax, its gradient in 16 bits
_HEAD = PLACES * (2 + 4 + 4 + 2)
# of a CPU run's activations, in blocks between other tensors: 0.9, 1.1 and 0.9 of them in three runs (train/freed.py)
_KEPT = 1.0
_NF4 = 0.516  # bytes a weight: 4 bits, and double-quantised scales of blocks of 64

Method = Literal["lora", "qlora", "full"]


@dataclass(frozen=True)
class Shape:
    """What a decoder's configuration says of its size. Counts of parameters; `linear` are those that LoRA stands on."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_heads: int
    head_size: int
    vocabulary: int
    tied: bool

    @property
    def attention(self) -> int:
        """Parameters of a layer's attention."""
        return self.hidden * self.head_size * (2 * self.heads + 2 * self.key_heads)

    @property
    def linear(self) -> int:
        """Parameters of all layers' matrices."""
        return self.layers * (self.attention + 3 * self.hidden * self.intermediate)

    @property
    def embeddings(self) -> int:
        """Parameters of the embeddings, and of an output layer of its own."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def total(self) -> int:
        """All parameters but the norms."""
        return self.linear + self.embeddings

    def lora(self, rank: int) -> int:
        """Parameters of an adapter on every matrix of every layer."""
        q, kv = self.heads * self.head_size, self.key_heads * self.head_size
        sides = 2 * (self.hidden + q) + 2 * (self.hidden + kv) + 3 * (self.hidden + self.intermediate)
        return self.layers * rank * sides


def shape_of(config: Any) -> Shape:
    """The shape that a transformers configuration describes."""
    text = config.get_text_config()
    heads = text.num_attention_heads
    return Shape(
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        heads=heads,
        key_heads=getattr(text, "num_key_value_heads", None) or heads,
        head_size=getattr(text, "head_dim", None) or text.hidden_size // heads,
        vocabulary=text.vocab_size,
        tied=bool(getattr(config, "tie_word_embeddings", False)),
    )


@dataclass(frozen=True)
class How:
    """What of the recipe costs memory. tokens: flat tokens of the largest pass. optimizer: as the recipe names it.

    on_cpu: freed memory goes to malloc, not to a GPU's own allocator. kernels: norms and gated products are computed by
    the CPU kernels, which keep less.
    """

    method: Method
    rank: int
    tokens: int
    optimizer: str = "adamw"
    checkpointing: bool = False
    precise: bool = False
    on_cpu: bool = False
    kernels: bool = False


def memory(shape: Shape, how: How) -> dict[str, float]:
    """Bytes by what they are for."""
    wide = 4 if how.precise else 2
    trained = shape.total if how.method == "full" else shape.lora(how.rank)
    weights = {
        "lora": wide * shape.total,
        "qlora": _NF4 * shape.linear + wide * shape.embeddings,
        "full": 4 * shape.total,
    }[how.method]
    state = {"adamw": 8.0, "adamw_8bit": 2.0, "paged_adamw_8bit": 2.0, "adafactor": 0.1, "sgd": 4.0}[how.optimizer]
    return {
        "weights": weights,
        "trained weights and gradients": trained * (4.0 if how.method == "full" else 8.0),
        "optimizer": trained * state,
        "activations": float(activations(shape, how)),
        "freed and kept": _KEPT * activations(shape, how) if how.on_cpu else 0.0,
        "output layer": float(_HEAD * shape.vocabulary),
        "process": _PROCESS,
    }


def activations(shape: Shape, how: How) -> int:
    """Bytes that a pass keeps for its backward pass, beside those of the layer in work."""
    wide = 4 if how.precise else 2
    layer = how.tokens * _layer_bytes(shape, how, wide)
    if how.checkpointing:
        return shape.layers * how.tokens * shape.hidden * wide + layer
    return shape.layers * layer


def _layer_bytes(shape: Shape, how: How, wide: int) -> int:
    """What a layer keeps of one token. Two norms: the input in float32, the normalised one in two precisions; by the
    kernels the input alone. Attention: queries, keys and values before and after their rotation, its output, float32
    log-sum-exps; by the kernel those after. The gate: four tensors; two by the kernels. LoRA: the low-rank product of
    each of seven layers; the inputs are kept already, or made again."""
    q, kv = shape.heads * shape.head_size, shape.key_heads * shape.head_size
    low = 7 * how.rank * wide if how.method != "full" else 0
    if how.kernels and how.method != "full":
        return 2 * (shape.hidden + q + kv + shape.intermediate) * wide + 4 * shape.heads + low
    norms = 2 * shape.hidden * (4 + 2 * wide)
    attention = (3 * q + 3 * kv) * wide + 8 * shape.heads
    residual = 2 * shape.hidden * wide
    gate = 4 * shape.intermediate * wide
    return norms + attention + residual + gate + low


def flops(shape: Shape, tokens: int, pairs: float, places: int, how: How) -> float:
    """The matrix products of one pass, forward and back. pairs: of tokens that see one another; places: supervised.

    Frozen weights count twice, trained ones three times, attention's two products forward and four back.
    """
    times = 6 if how.method == "full" else 4
    again = 2 * shape.linear * tokens if how.checkpointing else 0
    seen = 12 * pairs * shape.heads * shape.head_size * shape.layers
    low = 0 if how.method == "full" else 6 * shape.lora(how.rank) * tokens
    return float(times * shape.linear * tokens + again + seen + low + 4 * places * shape.vocabulary * shape.hidden)
