"""A model of an architecture that llama.cpp knows -> a GGUF file, with its tokenizer and chat template inside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from callwright.errors import MissingExtra, ModelError
from callwright.export.gguf_facts import add_facts, architecture_of, rope_factors, values_of
from callwright.export.gguf_words import add_words

Weights = Literal["f16", "q8_0", "q4_k_m"]
"""How matrices are written: 16-bit floats, 8 bits in blocks of 32 with a scale each, or by llama.cpp itself about 4.8
bits in blocks of 256, and more where a row is no multiple of that. Vectors are always float32."""


def write_gguf(
    model: Any, tokenizer: Any, target: Path, weights: Weights = "q8_0", *, template: str | None = None
) -> None:
    """Writes a model, its adapter merged, whole or not at all. template: instead of the tokenizer's chat template.

    q4_k_m is made of an f16 file by llama.cpp (extra 'llama'). Raises ModelError for a model or a tokenizer that is
    not written, MissingExtra.
    """
    gguf = gguf_library()
    if weights == "q4_k_m":
        with _draft(target, ".f16") as whole:
            write_gguf(model, tokenizer, whole, "f16", template=template)
            quantise(whole, target)
        return
    kind = {"f16": gguf.GGMLQuantizationType.F16, "q8_0": gguf.GGMLQuantizationType.Q8_0}[weights]
    config = model.config
    known = architecture_of(config)
    names = gguf.get_tensor_name_map(enum_of(gguf, known.name), config.num_hidden_layers)
    with writing(gguf, known.name, target) as writer:
        rows = model.get_input_embeddings().weight.shape[0]
        add_facts(writer, config, rows)
        add_words(writer, tokenizer, rows, template)
        for name, values in rope_factors(config).items():
            writer.add_tensor(name, values)
        for name, tensor in model.state_dict().items():
            if name == "lm_head.weight" and config.tie_word_embeddings:
                continue
            written = names.get_name(name, try_suffixes=(".weight", ".bias"))
            if written is None:
                raise ModelError(f"{name}: GGUF has no name for it")
            values = values_of(name, tensor, config)
            if values.ndim > 1:
                used = kind if values.shape[-1] % 32 == 0 else gguf.GGMLQuantizationType.F16
                writer.add_tensor(written, gguf.quants.quantize(values, used), raw_dtype=used)
            else:
                writer.add_tensor(written, values)
        writer.add_file_type({"f16": gguf.LlamaFileType.MOSTLY_F16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}[weights])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def quantise(source: Path, target: Path) -> None:
    """An f16 file -> q4_k_m, by llama.cpp in a process of its own. Raises MissingExtra, ModelError."""
    with _draft(target, ".tmp") as draft:
        done = subprocess.run(
            [sys.executable, "-c", _QUANTISE, str(source), str(draft)], capture_output=True, text=True, check=False
        )
        if "ModuleNotFoundError" in done.stderr:
            raise MissingExtra("llama", "llama-cpp-python")
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ModelError(f"{source}: llama.cpp cannot quantise it: {last}")
        draft.replace(target)


_QUANTISE = """
import sys
import llama_cpp
settings = llama_cpp.llama_model_quantize_default_params()
settings.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
sys.exit(llama_cpp.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), settings))
"""


def convert(folder: Path, target: Path, converter: Path, weights: Weights) -> None:
    """A merged model's folder -> a GGUF file by llama.cpp's own converter, which knows every model that it runs.

    Raises ModelError where it fails, with its last line.
    """
    if not converter.is_file():
        raise ModelError(f"{converter}: there is no such file; llama.cpp has it as convert_hf_to_gguf.py")
    with _draft(target, ".f16") as whole:
        kind = "q8_0" if weights == "q8_0" else "f16"
        line = [sys.executable, str(converter), str(folder), "--outfile", str(whole), "--outtype", kind]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode or not whole.is_file():
            last = ((done.stderr or done.stdout).strip().splitlines() or ["no reason given"])[-1]
            raise ModelError(f"{converter}: {last}")
        if weights == "q4_k_m":
            quantise(whole, target)
        else:
            whole.replace(target)


def gguf_library() -> Any:
    """The gguf package. Raises MissingExtra."""
    try:
        import gguf
    except ImportError:
        raise MissingExtra("gguf", "gguf") from None
    return gguf


def enum_of(gguf: Any, name: str) -> Any:
    """The package's name of an architecture."""
    return next(arch for arch, text in gguf.MODEL_ARCH_NAMES.items() if text == name)


@contextmanager
def _draft(target: Path, suffix: str) -> Iterator[Path]:
    """A file beside the target, which is gone afterwards."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}{suffix}")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def writing(gguf: Any, architecture: str, target: Path) -> Iterator[Any]:
    """A writer whose file is in place when all of it is written."""
    with _draft(target, ".tmp") as draft:
        writer = gguf.GGUFWriter(str(draft), architecture)
        try:
            yield writer
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()
        draft.replace(target)
