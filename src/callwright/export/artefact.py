"""An exported file, folder or server -> the prompts that it writes by its own means, and its replies to them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from callwright.dialects.base import Dialect
from callwright.dialects.native import to_template
from callwright.errors import EngineError, MissingExtra, ModelError
from callwright.export.jinja import render
from callwright.export.shape import wrapped
from callwright.generate.endpoint import EndpointEngine
from callwright.generate.engine import StepEngine
from callwright.generate.llama_cpp import LlamaModel, LlamaSteps
from callwright.generate.local import LocalEngine
from callwright.generate.reply import Answer, Options, Prompt, answer_of
from callwright.models.hardware import detect
from callwright.models.load import load_model
from callwright.models.tokenizer import load_tokenizer
from callwright.types import Conversation, JsonObject

_SECONDS = 60
_ROOM = 16


@dataclass(frozen=True, slots=True)
class Written:
    """A prompt as an artefact writes it; None where it does not tell."""

    text: str | None
    token_ids: Sequence[int] | None


class Artefact(Protocol):
    """Something that is served."""

    def written(self, asked: Conversation) -> Written: ...

    def answers(self, asked: Sequence[Conversation], prompts: Sequence[Written], options: Options) -> Iterator[Answer]:
        """Replies in order, to the prompts that `written` gave."""
        ...


def open_artefact(place: str, dialect: Dialect, *, name: str = "", prefix_len: int = 0) -> Artefact:
    """A folder of weights, a GGUF file, or an address that ends in /v1. name: of the model at an address. prefix_len:
    how many tokens of all prompts may be alike. Raises ModelError, EngineError, MissingExtra."""
    if place.startswith(("http://", "https://")):
        return _Server(place.rstrip("/"), name)
    path = Path(place)
    if path.suffix == ".gguf" and path.is_file():
        return _File(path, dialect, prefix_len)
    if (path / "config.json").is_file():
        return _Folder(path, dialect, prefix_len)
    raise ModelError(
        f"{place}: neither a folder with a config.json, nor a .gguf file, nor an address as http://HOST/v1"
    )


class _Here:
    """One whose tokens are computed in this process, by `_engine`."""

    _engine: Any
    _dialect: Dialect
    _shared: int

    def answers(self, asked: Sequence[Conversation], prompts: Sequence[Written], options: Options) -> Iterator[Answer]:
        given = []
        for one in prompts:
            tokens = list(one.token_ids or ())
            given.append(Prompt(one.text or "", tokens, max(0, min(self._shared, len(tokens) - 1))))
        completions = self._engine.complete(given, options)
        for conversation, prompt, completion in zip(asked, given, completions, strict=True):
            yield answer_of(conversation, prompt, completion, self._dialect)


class _Folder(_Here):
    """Weights that transformers loads, asked as its users do."""

    def __init__(self, folder: Path, dialect: Dialect, shared: int) -> None:
        self._tokenizer = load_tokenizer(str(folder))
        if not self._tokenizer.chat_template:
            raise ModelError(f"{folder}: the tokenizer has no chat template, so nobody else can write its prompts")
        self._dialect, self._shared = dialect, shared
        self._engine = LocalEngine(load_model(str(folder), detect()), self._tokenizer, dialect.stops)

    def written(self, asked: Conversation) -> Written:
        messages = to_template(asked, len(asked.messages), as_text=False)
        tools = [wrapped(tool) for tool in asked.tools] or None
        made = self._tokenizer.apply_chat_template(messages, tools=tools, add_generation_prompt=True, tokenize=False)
        return Written(made, self._tokenizer(made, add_special_tokens=False)["input_ids"])


class _File(_Here):
    """A GGUF file, asked as llama.cpp's server asks it: its own template, its own tokenizer."""

    def __init__(self, file: Path, dialect: Dialect, shared: int) -> None:
        self._model = LlamaModel(file)
        if not self._model.template:
            raise ModelError(f"{file}: holds no chat template, so llama.cpp would write prompts of its own")
        self._words, self._dialect, self._shared = load_tokenizer(str(file.parent)), dialect, shared
        steps = LlamaSteps(self._model, slots=_ROOM, context=_ROOM * 2048)
        self._engine = StepEngine(steps, self._words, dialect.stops, drafted=0)

    def written(self, asked: Conversation) -> Written:
        begins = self._model.tokens("", begun=True)
        first = self._words.bos_token if begins else ""
        made = render(self._model.template, asked, bos=self._words.bos_token or "", eos=self._words.eos_token or "")
        # the server puts it before every prompt, and takes it from a template that writes it too
        return Written(made, self._model.tokens(made.removeprefix(first) if first else made, begun=bool(begins)))


class _Server:
    """Any OpenAI-compatible one. llama.cpp's tells the text of a prompt, vLLM's and ours its tokens."""

    def __init__(self, address: str, name: str) -> None:
        self._root = address.removesuffix("/v1")
        self._name = name or _first_model(address)
        try:
            self._engine = EndpointEngine(address, self._name)
        except MissingExtra as error:
            raise MissingExtra("teacher", "openai") from error

    def written(self, asked: Conversation) -> Written:
        messages = to_template(asked, len(asked.messages), as_text=True)
        body: JsonObject = {"model": self._name, "messages": messages, "add_generation_prompt": True}
        if asked.tools:
            body["tools"] = [wrapped(tool) for tool in asked.tools]
        told = _post(f"{self._root}/apply-template", body)
        if told and isinstance(told.get("prompt"), str):
            content = {"content": told["prompt"], "add_special": True, "parse_special": True}
            tokens = (_post(f"{self._root}/tokenize", content) or {}).get("tokens")
            return Written(told["prompt"], tokens)
        told = _post(f"{self._root}/tokenize", body) or {}
        return Written(told.get("prompt"), told.get("tokens"))

    def answers(self, asked: Sequence[Conversation], prompts: Sequence[Written], options: Options) -> Iterator[Answer]:
        return self._engine.answers(asked, options)


def _first_model(address: str) -> str:
    """Raises EngineError where nobody answers."""
    try:
        with urllib.request.urlopen(f"{address}/models", timeout=_SECONDS) as answer:
            listed = json.load(answer)
        return str(listed["data"][0]["id"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise EngineError(f"{address}/models: {error}; give --name") from error


def _post(url: str, body: JsonObject) -> JsonObject | None:
    """What a server that has this says; None from one that has not."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError:
        return None
    except (OSError, ValueError) as error:
        raise EngineError(f"{url}: {error}") from error
    return found if isinstance(found, dict) else None
