"""A model, adapters and how much room -> what a server serves."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from callwright.dialects.base import Dialect
from callwright.errors import ModelError, RecipeError
from callwright.export.gguf import write_gguf
from callwright.export.gguf_lora import lora_fits, write_lora
from callwright.generate.engine import StepEngine
from callwright.generate.llama_cpp import LlamaModel, LlamaSteps
from callwright.generate.openvino_steps import OpenVinoModel, OpenVinoSteps
from callwright.generate.prefix_cache import PrefixCache
from callwright.generate.prefix_files import PrefixFiles
from callwright.generate.steps import Steps
from callwright.generate.torch_steps import TorchSteps
from callwright.models.bundled import BUNDLED, cache_folder, gguf_file
from callwright.models.hardware import detect
from callwright.models.load import load_adapters, load_config, load_model
from callwright.pipeline.evaluate import Scorer, open_subject, open_words, options_of, score_with, watched
from callwright.pipeline.trained import of_four_bits, trained_dialect
from callwright.recipe import Eval
from callwright.score.calibration import CALIBRATION, load_calibration
from callwright.score.run import RowScore
from callwright.serve.prepare import Served
from callwright.types import Conversation

EngineName = Literal["auto", "torch", "openvino", "llama.cpp"]

_log = logging.getLogger(__name__)


# how many tokens are guessed at a time; more cost time where they are wrong
_DRAFTED = 16
# raised when what is written into the files changes
_VERSION = "2"


@dataclass(frozen=True)
class Wanted:
    """What is to be served. adapters: folders, or NAME=FOLDER. context: tokens of a prompt and its reply.

    engine: 'auto' is llama.cpp for a GGUF file; on a CPU openvino where it is installed and takes the model, or
    llama.cpp for the embedded one; else torch.
    calibration: a file of `callwright calibrate`; without it, the one in an adapter's folder. cache: where computed
    tool sets are kept; nowhere without.
    """

    model: str
    adapters: tuple[str, ...] = ()
    name: str = ""
    dialect: str = "auto"
    context: int = 8192
    slots: int = 16
    engine: EngineName = "auto"
    constrain: bool = True
    calibration: Path | None = None
    cache: Path | None = None


def engine_named(name: str) -> EngineName:
    """What `--engine` says. Raises RecipeError."""
    if name not in get_args(EngineName):
        raise RecipeError(f"--engine '{name}': give one of {', '.join(get_args(EngineName))}")
    return cast("EngineName", name)


def open_served(wanted: Wanted) -> list[Served]:
    """Loads what is to be served. Raises ModelError, EngineError, MissingExtra, and DataError for a calibration."""
    if wanted.calibration:
        # what is wrong with it is said before the models are read
        load_calibration(wanted.calibration)
    if wanted.model.endswith(".gguf"):
        return [_of_file(wanted)]
    named = [_named(adapter) for adapter in wanted.adapters]
    if len({name for name, _ in named}) < len(named):
        raise ModelError("two adapters have one name; write --adapter NAME=FOLDER")
    if len(named) == 1 and wanted.name:
        named = [(wanted.name, named[0][1])]
    makers = {"openvino": _of_openvino, "llama.cpp": _of_llama, "torch": _of_torch}
    try:
        return makers[_engine(wanted)](wanted, named)
    except ModelError as error:
        if wanted.engine != "auto" or _engine(wanted) == "torch":
            raise
        # what torch cannot load either is said once, by it
        served = _of_torch(wanted, named)
        _log.warning("%s; served by torch", error)
        return served


def served_scorer(wanted: Wanted) -> Scorer:
    """`evaluate` by the engine that serves, in its precision. Raises as `open_served`."""
    (served,) = open_served(wanted)

    def score(rows: Sequence[Conversation], settings: Eval, watch: Callable[[int], None]) -> list[RowScore]:
        options = options_of(settings)
        return watched(score_with(served.engine, rows, served.dialect, served.tokenizer, options), watch)

    return score


def _named(adapter: str) -> tuple[str, Path]:
    name, sign, folder = adapter.partition("=")
    if sign:
        return name, Path(folder)
    path = Path(adapter).resolve()
    return path.parent.name if path.name in ("adapter", "model") else path.name, Path(adapter)


def _engine(wanted: Wanted) -> EngineName:
    if wanted.engine == "llama.cpp" and wanted.model != BUNDLED:
        raise ModelError(f"{wanted.model}: llama.cpp takes a GGUF file; give one, or leave out --engine")
    if wanted.engine != "auto":
        return wanted.engine
    if detect().device != "cpu":
        return "torch"
    if importlib.util.find_spec("openvino") is not None:
        return "openvino"
    embedded = wanted.model == BUNDLED and importlib.util.find_spec("llama_cpp") is not None
    return "llama.cpp" if embedded else "torch"


def _of_openvino(wanted: Wanted, named: list[tuple[str, Path]]) -> list[Served]:
    """Every adapter is merged into a model of its own."""
    found = []
    alone: list[tuple[str, Path | None]] = [(wanted.name or wanted.model, None)]
    for name, adapter in named or alone:
        subject = open_subject(wanted.model, adapter, wanted.dialect)
        model = OpenVinoModel(subject.model, positions=wanted.context)
        files = _files(wanted, "openvino", *_weights(adapter))
        steps = OpenVinoSteps(model, slots=wanted.slots, context=_together(wanted), files=files)
        found.append(_served(wanted, name, (subject.tokenizer, subject.dialect), steps, adapter))
    return found


def _of_torch(wanted: Wanted, named: list[tuple[str, Path]]) -> list[Served]:
    """One adapter is merged; several stand side by side on one model."""
    if len(named) < 2:
        name, adapter = named[0] if named else (wanted.name or wanted.model, None)
        subject = open_subject(wanted.model, adapter, wanted.dialect)
        steps = _torch(wanted, subject.model, adapter)
        return [_served(wanted, name, (subject.tokenizer, subject.dialect), steps, adapter)]
    for _, adapter in named:
        if of_four_bits(adapter):
            raise ModelError(f"{adapter}: was trained on 4 bits, which no other adapter can share; serve it alone")
    words = [open_words(wanted.model, adapter, wanted.dialect) for _, adapter in named]
    model = load_adapters(load_model(wanted.model, detect()), dict(named))
    return [
        _served(wanted, name, word, _torch(wanted, model, adapter, name), adapter)
        for (name, adapter), word in zip(named, words, strict=True)
    ]


def _torch(wanted: Wanted, model: Any, adapter: Path | None, chosen: str | None = None) -> TorchSteps:
    files = _files(wanted, "torch", *_weights(adapter))
    return TorchSteps(model, slots=wanted.slots, cache=PrefixCache(), files=files, adapter=chosen)


def _weights(adapter: Path | None) -> list[Path]:
    """The files that an adapter's numbers depend on."""
    file = adapter / "adapter_model.safetensors" if adapter else None
    return [file] if file and file.is_file() else []


def _together(wanted: Wanted) -> int:
    """Tokens of all rows: four replies of the full length at once, or many that share their tools."""
    return 4 * wanted.context


def _of_llama(wanted: Wanted, named: list[tuple[str, Path]]) -> list[Served]:
    """One adapter is merged into a file of its own; several share the base's, where they can."""
    if not named:
        file = gguf_file()
        words = open_words(wanted.model, None, wanted.dialect)
        return [_served(wanted, wanted.name or wanted.model, words, _steps(wanted, LlamaModel(file), file))]
    shared = len(named) > 1 and all(lora_fits(adapter) and not of_four_bits(adapter) for _, adapter in named)
    base = LlamaModel(gguf_file()) if shared else None
    found = []
    for name, adapter in named:
        words = open_words(wanted.model, adapter, wanted.dialect)
        file = _written(wanted.model, adapter, merged=base is None)
        steps = _steps(wanted, base or LlamaModel(file), file, adapter=file if base else None)
        found.append(_served(wanted, name, words, steps, adapter))
    return found


def _of_file(wanted: Wanted) -> Served:
    """A GGUF file. The tokenizer stands beside it, as `callwright export` writes it."""
    if wanted.adapters:
        raise ModelError("a GGUF file takes no adapters here; export the merged model")
    file = Path(wanted.model)
    if not file.is_file():
        raise ModelError(f"{file}: there is no such file")
    # beside it what `callwright export` wrote: the tokenizer, and the dialect that the model was trained in
    words = open_words(str(file.parent), None, trained_dialect(wanted.dialect, file.parent))
    return _served(wanted, wanted.name or file.stem, words, _steps(wanted, LlamaModel(file), file))


def _written(model: str, adapter: Path, *, merged: bool) -> Path:
    """The adapter as GGUF, with the model's weights or by itself; made once."""
    key = hashlib.sha256(f"{_VERSION} {model} {merged}".encode())
    for file in ("adapter_config.json", "callwright.json", "adapter_model.safetensors"):
        if (adapter / file).is_file():
            key.update((adapter / file).read_bytes())
    target = cache_folder() / "gguf" / f"{key.hexdigest()[:24]}.gguf"
    if not target.is_file():
        if merged:
            subject = open_subject(model, adapter, "auto")
            write_gguf(subject.model, subject.tokenizer, target)
        else:
            write_lora(adapter, load_config(model), target)
    return target


def _files(wanted: Wanted, engine: EngineName, *parts: Path) -> PrefixFiles | None:
    """Where computed prefixes are kept, by all that they depend on beside the tokens."""
    if wanted.cache is None:
        return None
    about = [wanted.model, engine, detect().device, detect().precision]
    folder = Path(wanted.model)
    for part in (*parts, *(sorted(folder.glob("*.safetensors")) if folder.is_dir() else ())):
        stat = part.stat()
        about += [str(part.resolve()), str(stat.st_size), str(stat.st_mtime_ns)]
    return PrefixFiles(wanted.cache, "\n".join(about))


def _steps(wanted: Wanted, model: LlamaModel, file: Path, adapter: Path | None = None) -> LlamaSteps:
    files = _files(wanted, "llama.cpp", model.file, file)
    return LlamaSteps(model, adapter=adapter, slots=wanted.slots, context=_together(wanted), files=files)


def _served(wanted: Wanted, name: str, words: tuple[Any, Dialect], steps: Steps, adapter: Path | None = None) -> Served:
    tokenizer, dialect = words
    engine = StepEngine(steps, tokenizer, dialect.stops, _DRAFTED)
    engine.warm()
    found = wanted.calibration or (adapter / CALIBRATION if adapter and (adapter / CALIBRATION).is_file() else None)
    return Served(
        name,
        dialect,
        tokenizer,
        engine,
        wanted.context,
        constrain=wanted.constrain,
        created=int(time.time()),
        calibration=load_calibration(found) if found else None,
    )
