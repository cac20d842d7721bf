"""A model, an engine that serves or a server -> a function that answers conversations, whatever stands behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from callwright.dialects.base import Dialect
from callwright.generate.endpoint import EndpointEngine
from callwright.generate.local import LocalEngine
from callwright.generate.reply import Answer, Completion, Engine, Options, Prompt, reply
from callwright.models.hardware import detect
from callwright.pipeline.evaluate import open_subject, open_words
from callwright.pipeline.serving import Wanted, open_served
from callwright.score.bfcl_turns import Ask
from callwright.types import Conversation, Ending, JsonObject


@dataclass(frozen=True)
class Respondent:
    """What answers, under a name, and all that its answers depend on, to tell two of them apart."""

    name: str
    ask: Ask
    about: JsonObject


@dataclass(frozen=True)
class WithinContext:
    """An engine that is not given prompts which leave no room for a reply: these end in an error."""

    engine: Engine
    context: int

    def complete(self, prompts: Sequence[Prompt], options: Options) -> Iterator[Completion]:
        """As `Engine.complete`."""
        fits = [len(prompt.token_ids) + options.max_new_tokens <= self.context for prompt in prompts]
        made = self.engine.complete([prompt for prompt, fit in zip(prompts, fits, strict=True) if fit], options)
        for fit in fits:
            yield next(made) if fit else Completion("", Ending.ERROR, 0)


def locally(model: str, adapter: Path | None, dialect: str, options: Options, batch_size: int) -> Respondent:
    """By torch in this process. Raises ModelError."""
    subject = open_subject(model, adapter, dialect)
    engine = LocalEngine(subject.model, subject.tokenizer, subject.dialect.stops, batch_size=batch_size)
    config = subject.model.config.get_text_config()
    within = WithinContext(engine, int(getattr(config, "max_position_embeddings", 1 << 30)))
    return Respondent(
        subject.name,
        by_engine(within, subject.dialect, subject.tokenizer, options),
        {**weights_of(model, adapter), "engine": "torch", **_machine(), "dialect": subject.dialect.name},
    )


def as_served(wanted: Wanted, options: Options) -> Respondent:
    """By the engine that serves, in its precision; a GGUF file too. Raises as `open_served`."""
    (served,) = open_served(wanted)
    # what is guessed depends on the replies before: without that, a run that is resumed computes what a whole one does
    served.engine.drafted = 0
    adapter = Path(wanted.adapters[0]) if wanted.adapters else None
    return Respondent(
        "tuned" if wanted.adapters else "base",
        by_engine(WithinContext(served.engine, wanted.context), served.dialect, served.tokenizer, options),
        {
            **weights_of(wanted.model, adapter),
            **{"engine": type(served.engine.steps).__name__, "context": wanted.context, "slots": wanted.slots},
            **_machine(),
            "dialect": served.dialect.name,
        },
    )


def at_endpoint(url: str, model: str, rendered: tuple[str, Path | None, str] | None, options: Options) -> Respondent:
    """By an OpenAI-compatible server. rendered: model, adapter and dialect whose prompts are written here; without it
    conversations are sent with their tools. What the server refuses, a prompt that is too long say, is an error's
    reply. Raises EngineError."""
    about: JsonObject = {"model": model, "engine": url, "rendered": [str(part) for part in rendered or ()]}
    if rendered is None:
        native = EndpointEngine(url, model, refusals=True)
        return Respondent(model, _without_dots(lambda rows: list(native.answers(rows, options))), about)
    tokenizer, written = open_words(*rendered)
    engine = EndpointEngine(url, model, written.stops, refusals=True)
    return Respondent(model, by_engine(engine, written, tokenizer, options), {**about, "dialect": written.name})


def by_engine(engine: Engine, dialect: Dialect, tokenizer: Any, options: Options) -> Ask:
    """An engine that continues prompts, behind the one `reply`."""

    def ask(rows: Sequence[Conversation]) -> list[Answer]:
        return list(reply(rows, dialect, tokenizer, engine, options))

    return ask


def _without_dots(ask: Ask) -> Ask:
    """Asks with functions named `a_b` for `a.b`, which many servers refuse: so does the leaderboard."""

    def plain(row: Conversation) -> Conversation:
        tools = tuple(replace(tool, name=tool.name.replace(".", "_")) for tool in row.tools)
        return replace(row, tools=tools)

    def named(row: Conversation, answer: Answer) -> Answer:
        names = {tool.name.replace(".", "_"): tool.name for tool in row.tools}
        calls = tuple(replace(call, name=names.get(call.name, call.name)) for call in answer.reply.calls)
        return replace(answer, reply=replace(answer.reply, calls=calls))

    def asked(rows: Sequence[Conversation]) -> list[Answer]:
        return [named(row, answer) for row, answer in zip(rows, ask([plain(row) for row in rows]), strict=True)]

    return asked


def weights_of(model: str, adapter: Path | None) -> JsonObject:
    """A model by its name and its files' sizes, an adapter by what it holds."""
    path = Path(model)
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path] if path.is_file() else []
    found: JsonObject = {"model": model, "files": [[file.name, file.stat().st_size] for file in files]}
    if adapter is not None:
        held = hashlib.sha256()
        for name in ("adapter_config.json", "callwright.json", "adapter_model.safetensors"):
            if (adapter / name).is_file():
                held.update((adapter / name).read_bytes())
        found["adapter"] = held.hexdigest()
    return found


def _machine() -> JsonObject:
    return {"device": detect().device, "precision": detect().precision}
