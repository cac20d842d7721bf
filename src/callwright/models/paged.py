"""A transformers model -> an OpenVINO model whose attention reads keys and values from blocks of a shared cache.

The model is traced once, with an attention function in place that stands for OpenVINO's paged attention. So any
architecture that is built on transformers' attention interface is taken, with its own code around it. What the paged
attention here does not do (soft caps, sinks, non-causal layers) is refused.
"""

from __future__ import annotations

import copy
import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from callwright.errors import MissingExtra, ModelError
from callwright.models.quiet import quiet

NAME = "callwright_paged"
# tokens of one block: what OpenVINO's CPU kernels take
BLOCK = 32
# inputs beside the caches, in their order: token ids, their positions, the places whose logits are wanted; and of every
# sequence how many tokens are cached, where its new ones begin, its blocks, where these begin; most tokens of one
INPUTS = ("ids", "positions", "wanted", "cached", "begins", "blocks", "block_begins", "longest")

# matrices below this many numbers stay as they are
_SMALL = 1 << 14

WeightBits = Literal["int8", "full"]


@dataclass(frozen=True)
class Paged:
    """`model`: an `openvino.Model` with the inputs `INPUTS` and `kv.0`, `kv.1`, ..., keys and values of each
    layer in turn, [blocks, heads, BLOCK, head_size]; its output is logits [wanted, V], float32."""

    model: Any
    layers: int
    heads: int
    head_size: int
    vocabulary: int


@dataclass
class _Tracing:
    """What the attention function reads while the model is traced."""

    inputs: tuple[Tensor, ...] = ()
    caches: tuple[Tensor, ...] = ()
    layers: set[int] = field(default_factory=set)


_tracing = _Tracing()


def openvino() -> Any:
    """The package, imported without its telemetry: nothing is sent to anybody. Raises MissingExtra."""
    telemetry = "openvino_telemetry"
    before = sys.modules.get(telemetry)
    sys.modules[telemetry] = None  # type: ignore[assignment]  # its import fails, which openvino takes for absence
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise MissingExtra("openvino", "openvino") from error
    finally:
        if before is None:
            del sys.modules[telemetry]
        else:
            sys.modules[telemetry] = before


def to_paged(model: Any, weights: WeightBits = "int8", positions: int = 32_768) -> Paged:
    """Traces a model in evaluation mode, on the CPU. weights: 'int8' with one scale a row, or as they are. positions:
    tokens of the longest sequence.

    Raises ModelError for a model whose attention it cannot replace.
    """
    ov = openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch import ConversionExtension
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    # OpenVINO multiplies by int8 where what stands around it is float32, whatever it computes in
    model = model if model.dtype == torch.float32 else copy.deepcopy(model).float()
    config = model.config.get_text_config()
    heads = config.num_key_value_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    layers = config.num_hidden_layers
    inputs = _example(5)
    caches = [torch.zeros(1, heads, BLOCK, size) for _ in range(2 * layers)]
    with _replaced(model, positions), quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit._trace.TracerWarning)
        traced = _Traced(model)
        with torch.no_grad():
            traced(*inputs, *caches)  # the tables of rotations are made, which then stand in the trace as numbers
        reader = FrontEndManager().load_by_framework("pytorch")
        reader.add_extension(ConversionExtension(f"{NAME}::attend", lambda node: _attention(node, heads, size)))
        trace = TorchScriptPythonDecoder(
            traced, example_input=(*inputs, *caches), trace_kwargs={"check_trace": False}, shared_memory=True
        )
        made = reader.convert(reader.load(trace))
        if len(_tracing.layers) != layers:
            raise ModelError(f"{config.model_type}: its attention is not transformers' own; OpenVINO is not given it")
    names = [*INPUTS, *(f"kv.{number}" for number in range(2 * layers))]
    for port, name in zip(made.inputs, names, strict=True):
        node = port.get_node()
        port.get_tensor().set_names({name})
        node.set_friendly_name(name)
        shape = [-1, heads, BLOCK, size] if name.startswith("kv.") else [] if name == "longest" else [-1]
        node.set_partial_shape(ov.PartialShape(shape))
    if weights == "int8":
        _compress(made)
    made.validate_nodes_and_infer_types()
    return Paged(made, layers, heads, size, int(model.get_output_embeddings().weight.shape[0]))


class _Traced(nn.Module):
    """The model with flat inputs."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, *tensors: Tensor) -> Tensor:
        _tracing.inputs, _tracing.caches = tensors[3 : len(INPUTS)], tensors[len(INPUTS) :]
        ids, positions, wanted = tensors[:3]
        made = self.model(
            input_ids=ids[None], position_ids=positions[None], logits_to_keep=wanted, use_cache=False
        ).logits
        return made[0].float()  # type: ignore[no-any-return]


def _example(count: int) -> tuple[Tensor, ...]:
    """Inputs of one sequence of so many tokens."""
    numbers = [0], [0, count], [0], [0, 1]
    whole = torch.arange(count)
    return whole, whole, whole[:2], *(torch.tensor(n, dtype=torch.int32) for n in numbers), torch.tensor(count).int()


@contextmanager
def _replaced(model: Any, positions: int) -> Iterator[None]:
    """The model attends by `_attend` meanwhile, and looks its rotations up."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    _operator()
    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, lambda *_, **__: None)
    before = model.config._attn_implementation
    _tracing.layers.clear()
    model.set_attn_implementation(NAME)
    rotary = [module for module in model.modules() if type(module).__name__.endswith("RotaryEmbedding")]
    try:
        for module in rotary:
            module.forward = _looked_up(module, positions)
        yield
    finally:
        for module in rotary:
            vars(module).pop("forward", None)
        model.set_attn_implementation(before)
        _tracing.inputs = _tracing.caches = ()


def _looked_up(module: Any, positions: int) -> Any:
    """A rotary embedding's forward that reads a table: angles of far positions are wrong in bfloat16."""
    if getattr(module, "rope_type", "default") in ("dynamic", "longrope"):
        raise ModelError(f"rotations of kind '{module.rope_type}': OpenVINO is not given this model")
    forward = module.forward
    tables: dict[str, tuple[Tensor, ...]] = {}

    def look_up(x: Tensor, position_ids: Tensor, *more: Any, **named: Any) -> tuple[Tensor, ...]:
        kind = f"{more} {named}"
        if kind not in tables:
            whole = forward(x[:, :1].float(), torch.arange(positions)[None], *more, **named)
            tables[kind] = tuple(table[0].to(x.dtype) for table in whole)
        return tuple(table[position_ids] for table in tables[kind])

    return look_up


@cache
def _operator() -> torch.library.Library:
    """An operator that only stands in the trace; it lives as long as the library does."""
    library = torch.library.Library(NAME, "DEF")
    cached = "Tensor keys, Tensor values, Tensor cached, Tensor begins, Tensor blocks, Tensor block_begins"
    library.define(f"attend(Tensor q, Tensor k, Tensor v, {cached}, Tensor longest, float scale, int window) -> Tensor")
    library.impl("attend", lambda q, *_: q.clone(), "CompositeExplicitAutograd")
    return library


def _attend(module: Any, q: Tensor, k: Tensor, v: Tensor, mask: Any, **more: Any) -> tuple[Tensor, None]:
    """q: [1, heads, T, head_size]; k, v: [1, key heads, T, head_size]."""
    for what in ("softcap", "s_aux", "position_bias"):
        if more.get(what) is not None:
            raise ModelError(f"attention with '{what}': OpenVINO is not given this model")
    number = module.layer_idx
    keys, values = _tracing.caches[2 * number : 2 * number + 2]
    alike = keys.shape[1] == k.shape[1] == v.shape[1] and keys.shape[3] == k.shape[3] == v.shape[3]
    if not alike or not getattr(module, "is_causal", True):
        raise ModelError(f"attention of another kind in layer {number}: OpenVINO is not given this model")
    _tracing.layers.add(number)
    flat = [x[0].transpose(0, 1).reshape(-1, x.shape[1] * x.shape[3]) for x in (q, k, v)]
    scale = more.get("scaling") or q.shape[-1] ** -0.5
    window = int(more.get("sliding_window") or 0)
    made = getattr(torch.ops, NAME).attend(*flat, keys, values, *_tracing.inputs, float(scale), window)
    return made.reshape(1, -1, q.shape[1], q.shape[3]), None


def _attention(node: Any, heads: int, size: int) -> list[Any]:
    """The operator in a trace -> OpenVINO's, with all that is not used left empty."""
    ov = openvino()
    from openvino import Type
    from openvino import opset15 as ops

    def empty(kind: Any) -> Any:
        return ops.constant(np.zeros(0), kind).output(0)

    def number(value: float, kind: Any) -> Any:
        return ops.constant(value, kind).output(0)

    given = [node.get_input(place) for place in range(10)]
    scale, window = (node.get_values_from_const_input(place) for place in (10, 11))
    whole, real = Type.i32, Type.f32
    inputs = [*given[:9], number(scale, real), number(window, whole), empty(real), given[9], empty(whole)]
    inputs += [empty(whole), empty(whole), empty(real)]  # rotation of what is evicted
    inputs += [empty(real), number(0, whole), number(0, whole)]  # sparse attention
    inputs += [empty(real)]  # sinks
    inputs += [number(0, whole), empty(whole), empty(whole), empty(whole)]  # eviction
    inputs += [empty(whole), empty(Type.u8), empty(whole)]  # kinds of tokens, and trees of guesses
    try:
        made = ov.op._PagedAttentionExtension(inputs)
    except (AttributeError, RuntimeError) as error:
        raise ModelError(f"OpenVINO {ov.__version__} has another paged attention; install 2026.4") from error
    about = made.get_rt_info()
    for kind in "kv":
        about[f"num_{kind}_heads"], about[f"{kind}_head_size"] = heads, size
    return [made.output(0)]


def _compress(model: Any) -> None:
    """Matrices as int8 with one scale a row, which OpenVINO multiplies by as they are."""
    from openvino import Type
    from openvino import opset15 as ops

    for node in model.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != Type.f32:
            continue
        if len(node.shape) != 2 or int(np.prod(node.shape)) < _SMALL:
            continue
        numbers = np.asarray(node.data)
        scale = np.maximum(np.abs(numbers).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
        rounded = ops.constant(np.clip(np.rint(numbers / scale), -127, 127).astype(np.int8))
        made = ops.multiply(ops.convert(rounded, "f32"), ops.constant(scale))
        for place in node.output(0).get_target_inputs():
            place.replace_source_output(made.output(0))
