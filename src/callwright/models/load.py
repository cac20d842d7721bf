"""A model's name + precision -> the model, with a LoRA adapter for training or a trained one for use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from callwright.errors import ModelError
from callwright.models.call_token import grow_for, trained_rows
from callwright.models.four_bits import keep_unpacked, quantised_loading, round_to_four_bits
from callwright.models.hardware import Hardware
from callwright.models.quiet import quiet
from callwright.models.tokenizer import resolve


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """PEFT's LoRA, by its own names. `target_modules` is 'all-linear' or a list of module names."""

    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    target_modules: str | Sequence[str] = "all-linear"
    use_dora: bool = False
    use_rslora: bool = False


Method = Literal["lora", "qlora", "full"]


def load_model(name: str, hardware: Hardware, method: Method = "lora") -> Any:
    """The causal language model, in evaluation mode: frozen weights in the precision of `hardware`; for 'qlora' linear
    layers in 4 bits (NF4, double quantisation; the output layer stays); for 'full' all in float32, to be trained.

    Raises ModelError where the folder or hub id cannot be loaded. Code from a model repository is never run.
    """
    from transformers import AutoModelForCausalLM

    source = resolve(name)
    local = os.environ.get("LOCAL_RANK")
    if hardware.device == "cuda" and local is not None:
        torch.cuda.set_device(int(local))
    settings: dict[str, Any] = {"dtype": torch.float32 if method == "full" else hardware.dtype}
    if method == "qlora":
        settings |= quantised_loading(hardware)
    try:
        with quiet():
            model = AutoModelForCausalLM.from_pretrained(source, **settings)
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{name}: the model cannot be loaded: {first}") from error
    torch.set_num_threads(hardware.threads)
    if method != "qlora":
        return model.to(hardware.device).eval()
    # quantised weights stand where they were quantised
    keep_unpacked(model)
    return model.eval()


def load_config(name: str) -> Any:
    """transformers' configuration of a model. Raises ModelError where there is none that can be read."""
    from transformers import AutoConfig

    try:
        with quiet():
            return AutoConfig.from_pretrained(resolve(name))
    except (OSError, ValueError, KeyError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{name}: config.json cannot be read: {first}") from error


def unfreeze(model: Any, seed: int) -> Any:
    """The model with every parameter trained, as float32."""
    torch.manual_seed(seed)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model


def add_lora(model: Any, settings: LoraSettings, seed: int, new_token: int | None = None) -> Any:
    """Wraps the model with a fresh float32 LoRA adapter, its random half drawn from `seed`.

    new_token: the id of a token whose row of the embeddings is trained and saved with the adapter.
    Raises ModelError where no module has one of the target names.
    """
    with quiet():
        from peft import LoraConfig, get_peft_model

    targets = settings.target_modules
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        use_dora=settings.use_dora,
        use_rslora=settings.use_rslora,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
        trainable_token_indices=None if new_token is None else trained_rows(model, new_token),
    )
    torch.manual_seed(seed)
    try:
        with quiet():
            wrapped = get_peft_model(model, config)
    except ValueError as error:
        raise ModelError(f"LoRA: {error}; name modules of this model in 'lora.target_modules'") from error
    for parameter in wrapped.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return wrapped


def load_adapter(model: Any, folder: Path, *, four_bits: bool = False) -> Any:
    """The model with a trained adapter merged into it: the same forward pass, no adapter overhead.

    four_bits: the adapter was trained on 4 bits, and is merged into what the weights are there. Raises ModelError where
    the folder holds no adapter, or one of another model.
    """
    _check_adapter(folder)
    if four_bits:
        round_to_four_bits(model)
    with quiet(), _fitting(folder):
        from peft import PeftModel

        grow_for(model, folder)
        return PeftModel.from_pretrained(model, str(folder)).merge_and_unload().eval()


def load_adapters(model: Any, folders: Mapping[str, Path]) -> Any:
    """The model with several trained adapters side by side, by name; `set_adapter` says which one computes.

    Raises ModelError as `load_adapter`.
    """
    wrapped: Any = None
    for folder in folders.values():
        _check_adapter(folder)
        grow_for(model, folder)
    for name, folder in folders.items():
        with quiet(), _fitting(folder):
            from peft import PeftModel

            if wrapped is None:
                wrapped = PeftModel.from_pretrained(model, str(folder), adapter_name=name)
            else:
                wrapped.load_adapter(str(folder), adapter_name=name)
    return wrapped.eval()


def _check_adapter(folder: Path) -> None:
    if not (folder / "adapter_config.json").is_file():
        raise ModelError(f"{folder}: holds no adapter_config.json; give a run's 'adapter' folder")


@contextmanager
def _fitting(folder: Path) -> Iterator[None]:
    """What PEFT raises inside is a ModelError that names the adapter."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ModelError(f"{folder}: the adapter does not fit this model: {str(error).splitlines()[0]}") from error


def inner(model: Any) -> Any:
    """The causal language model itself, inside an adapter or not; LoRA layers stay in it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """(trained, all) parameters."""
    every = sum(p.numel() for p in model.parameters())
    return sum(p.numel() for p in model.parameters() if p.requires_grad), every
