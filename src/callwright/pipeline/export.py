"""A trained model -> the files that others serve, each with the prompts of training and a page that says how to ask."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast, get_args

from callwright.data import conversations
from callwright.dialects.base import Dialect
from callwright.errors import ModelError, RecipeError, did_you_mean
from callwright.export import servers
from callwright.export.gguf import Weights, convert, write_gguf
from callwright.export.jinja import chat_template
from callwright.export.ollama import modelfile
from callwright.export.readme import by_client, by_transformers, page, shell, tools_file
from callwright.export.shape import shape_of
from callwright.export.weights import Dtype, merge, own_dtype, save_adapter, save_model, save_words
from callwright.models.load import load_config
from callwright.pipeline.evaluate import open_words
from callwright.pipeline.folder import write_folder, write_json
from callwright.pipeline.trained import NOTES, Trained, of_four_bits
from callwright.tools import load_tools
from callwright.types import Conversation, Tool

Target = Literal["adapter", "merged", "gguf", "ollama", "vllm", "sglang", "llamacpp"]
TARGETS: tuple[Target, ...] = get_args(Target)
KINDS: tuple[Weights, ...] = get_args(Weights)
_TRIED = 50


@dataclass(frozen=True)
class Wish:
    """What is wanted. targets: folders to write. weights: of GGUF files. dtype: of merged weights and adapters.

    rounded: merge an adapter of QLoRA onto the values that its base had in 4 bits. converter: llama.cpp's own script
    instead of ours. tools: for a run that names none.
    """

    targets: tuple[Target, ...]
    weights: tuple[Weights, ...] = ("q8_0",)
    dtype: Dtype = "auto"
    rounded: bool = False
    converter: Path | None = None
    tools: str | None = None


@dataclass
class Exported:
    """What was written, by target, and what the user should know of it."""

    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def targets_of(given: str) -> tuple[tuple[Target, ...], tuple[Weights, ...]]:
    """What `--to` says: "merged,gguf:f16,gguf:q8_0". Raises RecipeError.

    >>> targets_of("merged,gguf:f16,ollama")
    (('merged', 'gguf', 'ollama'), ('f16',))
    """
    targets: list[Target] = []
    weights: list[Weights] = []
    for part in filter(None, (part.strip() for part in given.split(","))):
        name, colon, kind = part.partition(":")
        if name not in TARGETS:
            raise RecipeError(f"--to '{name}'{did_you_mean(name, TARGETS)}; known: {', '.join(TARGETS)}")
        if colon and (name != "gguf" or kind not in KINDS):
            raise RecipeError(f"--to '{part}': only gguf has kinds: {', '.join(f'gguf:{kind}' for kind in KINDS)}")
        if kind and kind not in weights:
            weights.append(cast("Weights", kind))
        if name not in targets:
            targets.append(name)
    if not targets:
        raise RecipeError(f"--to: name what is wanted: {', '.join(TARGETS)}")
    return tuple(targets), tuple(weights) or ("q8_0",)


class _Work:
    """One export: what the targets share, each made once."""

    def __init__(self, trained: Trained, wish: Wish, folder: Path) -> None:
        self.trained, self.wish = trained, wish
        self.made = Exported(folder)
        self.tokenizer, self.dialect = open_words(trained.model, trained.adapter, "auto")
        self.tools = _tools(trained, wish.tools)
        self.rows = _rows(trained)
        self.request = next(
            (message.text for row in self.rows for message in row.messages if message.role == "user"), ""
        )
        self.template: str | None = None
        try:
            self.template = chat_template(self.dialect, self.tokenizer, self.rows)
        except ModelError as error:
            self.made.notes.append(str(error))
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The merged weights, in float32 where they fit."""
        if self._model is None:
            self._model = merge(self.trained.model, self.trained.adapter, rounded=self.wish.rounded)
        return self._model

    @property
    def name(self) -> str:
        return self.trained.name

    def notes(self, folder: Path) -> None:
        """Beside weights: how they are asked."""
        write_json(folder / NOTES, {"dialect": self.dialect.name, "of": self.trained.model, **self.onto()})

    def onto(self) -> dict[str, str]:
        """Which values of the base an adapter was merged onto, where it could be two."""
        adapter = self.trained.adapter
        if adapter is None or not of_four_bits(adapter):
            return {}
        return {"merged_onto": "values in 4 bits" if self.wish.rounded else "full precision"}


def export(trained: Trained, wish: Wish, folder: Path, say: Callable[[str], None] = lambda line: None) -> Exported:
    """Writes each target into a folder of its own below `folder`, whole or not at all. `say` hears what is done.

    Raises ModelError, RecipeError, ToolError, MissingExtra.
    """
    if wish.rounded and (trained.adapter is None or not of_four_bits(trained.adapter)):
        raise RecipeError("--onto-4bit is for adapters that were trained on 4 bits (method qlora); this one was not")
    if trained.adapter is None and "adapter" in wish.targets:
        raise RecipeError(f"{trained.name}: all weights were trained, there is no adapter; use --to merged")
    work = _Work(trained, wish, folder)
    if "ollama" in wish.targets:
        # refused before anything is written
        shape_of(work.dialect, work.rows)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tools.json").write_text(tools_file(work.tools), encoding="utf-8")
    for target in _ordered(wish.targets):
        say(target)
        _MAKERS[target](work)
        work.made.files.setdefault(target, folder / target)
    if work.onto():
        work.made.notes.append(f"trained on 4 bits, merged onto {work.onto()['merged_onto']}")
    (folder / "README.md").write_text(_readme(work), encoding="utf-8")
    return work.made


def _ordered(targets: Sequence[Target]) -> list[Target]:
    """Servers need weights: the merged ones, or a GGUF file. Merged ones are saved last, which changes their type."""
    wanted = set(targets)
    if wanted & {"ollama", "llamacpp"}:
        wanted.add("gguf")
    order: tuple[Target, ...] = ("adapter", "gguf", "merged", "ollama", "llamacpp", "vllm", "sglang")
    return [target for target in order if target in wanted]


def _tools(trained: Trained, given: str | None) -> tuple[Tool, ...]:
    if given is not None:
        return tuple(load_tools(given))
    file = trained.run / "data" / "tools.json" if trained.run else None
    return tuple(load_tools(str(file))) if file is not None and file.is_file() else ()


def _rows(trained: Trained) -> list[Conversation]:
    """Some rows that were trained on: templates are tried on them."""
    file = trained.run / "data" / "train.jsonl" if trained.run else None
    return list(islice(conversations(str(file)), _TRIED)) if file is not None and file.is_file() else []


def _adapter(work: _Work) -> None:
    source = work.trained.adapter
    assert source is not None

    def fill(folder: Path) -> None:
        weights = "adapter_model.safetensors"
        save_adapter(source / weights, folder / weights, work.wish.dtype)
        for name in ("adapter_config.json", NOTES, "calibration.json"):
            if (source / name).is_file():
                shutil.copy(source / name, folder / name)
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        # where the base lies on this machine says nothing to others
        config["base_model_name_or_path"] = work.trained.model
        write_json(folder / "adapter_config.json", config)
        save_words(work.tokenizer, folder, work.template)
        text = page(
            f"{work.name}: a LoRA adapter of {work.trained.model}",
            "PEFT, vLLM and SGLang load it. Prompts are written by the chat template beside it.",
            shell(f"callwright serve {work.trained.model} --adapter . --name {work.name}"),
            by_client(work.name, "http://127.0.0.1:8000/v1", work.request),
        )
        (folder / "README.md").write_text(text, encoding="utf-8")

    write_folder(work.made.folder / "adapter", fill)


def _merged(work: _Work) -> None:
    chosen = work.wish.dtype
    types: dict[str, Any] = {"bf16": "bfloat16", "fp16": "float16", "float32": "float32"}
    import torch

    dtype = own_dtype(load_config(work.trained.model)) if chosen == "auto" else getattr(torch, types[chosen])

    def fill(folder: Path) -> None:
        save_model(work.model, work.tokenizer, work.dialect.stops, folder, dtype, work.template)
        work.notes(folder)
        own = "" if work.template else "It has no chat template for tools: `callwright serve` writes its prompts."
        text = page(
            f"{work.name}: {work.trained.model}, tuned",
            "Whole weights, as transformers and vLLM load them."
            + "".join(f" Merged onto {o}." for o in work.onto().values()),
            own,
            shell(f"callwright serve . --name {work.name}"),
            by_client(work.name, "http://127.0.0.1:8000/v1", work.request),
            "Without a server:" if work.template else "",
            by_transformers(work.request) if work.template else "",
        )
        (folder / "README.md").write_text(text, encoding="utf-8")

    write_folder(work.made.folder / "merged", fill)


def _gguf(work: _Work) -> None:
    folder = work.made.folder / "gguf"
    folder.mkdir(parents=True, exist_ok=True)
    for weights in work.wish.weights:
        target = folder / f"{work.name}-{weights}.gguf"
        if work.wish.converter is not None:
            source = work.made.folder / "merged"
            if not (source / "config.json").is_file():
                _merged(work)
                work.made.files["merged"] = source
            convert(source, target, work.wish.converter, weights)
        else:
            write_gguf(work.model, work.tokenizer, target, weights, template=work.template)
        work.made.files[f"gguf:{weights}"] = target
    save_words(work.tokenizer, folder, work.template)
    work.notes(folder)
    files = [f"{work.name}-{weights}.gguf" for weights in work.wish.weights]
    text = page(
        f"{work.name} for llama.cpp",
        f"{', '.join(files)}: weights, tokenizer and chat template in one file. What else lies here is for callwright.",
        shell(f"callwright serve {files[0]} --name {work.name}"),
        by_client(work.name, "http://127.0.0.1:8000/v1", work.request),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
    work.made.files["gguf"] = folder


def _ollama(work: _Work) -> None:
    weights = work.made.files[f"gguf:{work.wish.weights[0]}"]
    shape = shape_of(work.dialect, work.rows)
    begins = work.tokenizer.bos_token if _begins(work.tokenizer) else ""

    def fill(folder: Path) -> None:
        text = modelfile(shape, work.tools, work.dialect.stops, f"../gguf/{weights.name}", bos=begins)
        (folder / "Modelfile").write_text(text, encoding="utf-8")
        how = page(
            f"{work.name} for Ollama",
            shell(f"ollama create {work.name} -f Modelfile", f"ollama run {work.name}"),
            "The template holds the tools that the model was trained with, in the words of training: send those, as "
            "they stand in `tools.json`. Others are written too, with keys in another order.",
            by_client(work.name, "http://127.0.0.1:11434/v1", work.request),
            _reads(work.dialect),
        )
        (folder / "README.md").write_text(how, encoding="utf-8")

    write_folder(work.made.folder / "ollama", fill)


def _reads(dialect: Dialect) -> str:
    return (
        f"Ollama reads calls that are JSON objects with a name and arguments. This model writes the "
        f"{dialect.name} dialect; ask `callwright verify` with the server's address whether they are read."
    )


def _begins(tokenizer: Any) -> bool:
    ids = tokenizer("a").input_ids
    return tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id]


def _llamacpp(work: _Work) -> None:
    weights = work.made.files[f"gguf:{work.wish.weights[0]}"]
    start = servers.llama_server(model=f"../gguf/{weights.name}", name=work.name)
    _server(work, "llamacpp", "llama.cpp's server", start, "http://127.0.0.1:8080/v1", "")


def _vllm(work: _Work) -> None:
    start = servers.vllm(work.dialect, **_served(work))
    _server(work, "vllm", "vLLM", start, "http://127.0.0.1:8000/v1", servers.NEEDED)


def _sglang(work: _Work) -> None:
    start = servers.sglang(work.dialect, **_served(work))
    _server(work, "sglang", "SGLang", start, "http://127.0.0.1:30000/v1", servers.NEEDED)


def _served(work: _Work) -> dict[str, Any]:
    """The merged weights where they are exported, else the base with the adapter."""
    adapter = work.trained.adapter
    if "merged" in work.made.files or adapter is None:
        return {"model": "../merged" if "merged" in work.made.files else work.trained.model, "name": work.name}
    beside = work.made.folder / "adapter"
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    place = "../adapter" if beside.is_dir() else str(adapter.resolve())
    return {"model": work.trained.model, "adapter": place, "name": work.name, "rank": int(config["r"])}


def _server(work: _Work, target: str, title: str, start: servers.Start, url: str, needed: str) -> None:
    if work.template is None and target != "llamacpp":
        raise ModelError(f"--to {target}: {work.made.notes[0]}")

    def fill(folder: Path) -> None:
        files = {**start.files, "chat_template.jinja": work.template or ""} if start.files else start.files
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        how = page(
            f"{work.name} by {title}",
            shell(*filter(None, [needed, start.command])),
            by_client(work.name, url, work.request),
            "This server was not run where the files were written. Once it runs, this says whether it scores the same:",
            shell(f"callwright verify {url} --name {work.name} --run RUN --data HELD_OUT.jsonl"),
        )
        (folder / "README.md").write_text(how, encoding="utf-8")

    write_folder(work.made.folder / target, fill)


def _readme(work: _Work) -> str:
    listed = "\n".join(f"- `{target}/`" for target in _ordered(work.wish.targets))
    return page(
        work.name,
        f"{work.trained.model}, tuned to call the functions of `tools.json`; dialect {work.dialect.name}.",
        listed,
        "\n".join(f"- {note}" for note in work.made.notes),
        "Does it still score the same? Held-out rows tell:",
        shell(f"callwright verify FILE_OR_FOLDER --run {work.trained.run or 'RUN'} --data HELD_OUT.jsonl"),
    )


_MAKERS: dict[Target, Callable[[_Work], None]] = {
    "adapter": _adapter,
    "merged": _merged,
    "gguf": _gguf,
    "ollama": _ollama,
    "llamacpp": _llamacpp,
    "vllm": _vllm,
    "sglang": _sglang,
}
