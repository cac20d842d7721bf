"""A model folder -> its tokenizer, ready for training, and what the doctor finds in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callwright.dialects import choose, dialect_for
from callwright.dialects import examine as from_template
from callwright.dialects.serving import flags
from callwright.errors import ModelError
from callwright.models.bundled import BUNDLED, bundled_folder
from callwright.types import JsonObject

# Tokens that families ship unused or for this purpose: padding with one of them leaves EOS to mean "end".
_PAD_CANDIDATES = (
    "<|finetune_right_pad_id|>",
    "<|endoftext|>",
    "<pad>",
    "[PAD]",
    "<|padding|>",
    "<unk>",
)


def resolve(name: str) -> str:
    """A model's name in a recipe -> what transformers can load: the embedded model's folder, a folder, or a hub id.

    Raises ModelError for a path that does not exist or holds no config.json.
    """
    if name == BUNDLED:
        return str(bundled_folder())
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"{name}: the folder holds no config.json, so it is not a transformers model")
        return str(path)
    looks_local = path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1
    if looks_local or (path.parent.is_dir() and str(path.parent) != "."):
        raise ModelError(f"{name}: no such model folder; give a folder, a hub id 'owner/name', or '{BUNDLED}'")
    return name


def load_tokenizer(name: str) -> Any:
    """The fast tokenizer of a model, or of a folder that holds one beside a GGUF file; padding on the right.

    Raises ModelError where it cannot be loaded, is not a fast one, or has no EOS token.
    """
    from transformers import AutoTokenizer

    alone = (Path(name).expanduser() / "tokenizer.json").is_file()
    source = str(Path(name).expanduser()) if alone else resolve(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name}: no tokenizer could be loaded: {_first_line(error)}") from error
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise ModelError(f"{name}: the tokenizer is not a fast one; save it once with transformers' converter")
    if tokenizer.eos_token is None or tokenizer.eos_token_id is None:
        raise ModelError(
            f"{name}: the tokenizer has no EOS token, so a reply could never end; "
            "set 'eos_token' in its tokenizer_config.json"
        )
    tokenizer.padding_side = "right"
    return tokenizer


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: what was looked at, what it is, and advice where something needs the user."""

    what: str
    value: str
    advice: str = ""


def examine(name: str) -> list[Finding]:
    """The doctor's findings on a model's configuration and tokenizer. Loads no weights."""
    from transformers import AutoConfig

    tokenizer = load_tokenizer(name)
    try:
        config = AutoConfig.from_pretrained(resolve(name))
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{name}: config.json cannot be read: {_first_line(error)}") from error
    text = config.get_text_config()
    tied = bool(getattr(config, "tie_word_embeddings", False))
    choice = choose(tokenizer)
    findings = [
        Finding("model type", str(config.model_type)),
        Finding("layers, hidden size", f"{text.num_hidden_layers}, {text.hidden_size}"),
        Finding("vocabulary", f"{text.vocab_size} ({len(tokenizer)} tokens in the tokenizer)"),
        Finding("longest input", f"{getattr(text, 'max_position_embeddings', 'unknown')} tokens"),
        Finding("EOS", f"{tokenizer.eos_token} ({tokenizer.eos_token_id})"),
        _pad_finding(tokenizer, tied),
        Finding("padding side", "right, while training"),
        Finding("embeddings", "tied to the output layer" if tied else "apart from the output layer"),
        Finding("chat template", _template_text(tokenizer)),
        Finding("dialect", choice.name, choice.why),
        *_family_findings(tokenizer, choice.name),
    ]
    if len(tokenizer) > text.vocab_size:
        findings.append(
            Finding(
                "new tokens", str(len(tokenizer) - text.vocab_size), "the embeddings are smaller than the tokenizer"
            )
        )
    return findings


def _family_findings(tokenizer: Any, name: str) -> Iterator[Finding]:
    """What the dialect means: its calls, its stops, which of its marks are special tokens, and how to serve it."""
    found = from_template(tokenizer) if name == "native" else None
    dialect = found.dialect if found else dialect_for(name, tokenizer)
    family = dialect.family
    yield Finding("calls", family.name, repr(family.hint)[1:-1])
    if found and found.dialect.settings:
        settings = ", ".join(f"{key}={value}" for key, value in found.dialect.settings.items())
        yield Finding("template settings", settings, "serve with the same chat_template_kwargs")
    yield Finding("stops", " ".join(dialect.stops), "the first is written, and trained, after every turn")
    special = special_tokens(tokenizer)
    marks = list(dict.fromkeys([*family.never, *dialect.stops]))
    yield Finding("special tokens", " ".join(mark for mark in marks if mark in special) or "none of its marks")
    for loss in found.losses if found else ():
        yield Finding("the template loses", loss, "such rows are refused, with their place")
    vllm, sglang = flags(family.name)
    yield Finding("vLLM", vllm or "no parser for these calls", "" if vllm else "callwright serve reads them")
    yield Finding("SGLang", sglang or "no parser for these calls")
    template = "--jinja, with the model's own template" if name == "native" else "--jinja --chat-template-file"
    yield Finding("llama.cpp", template, "" if name == "native" else "the model's own template writes no tools")


def special_tokens(tokenizer: Any) -> dict[str, int]:
    """The tokens that are no text: what grammars name by id."""
    return {token.content: int(number) for number, token in tokenizer.added_tokens_decoder.items() if token.special}


def as_json(findings: list[Finding]) -> JsonObject:
    """Findings as a JSON object for `--json`."""
    made: JsonObject = {}
    for found in findings:
        known = made.get(found.what)
        if known:
            known["value"] += f"; {found.value}"
        else:
            made[found.what] = {"value": found.value, "advice": found.advice}
    return made


def _pad_finding(tokenizer: Any, tied: bool) -> Finding:
    pad = tokenizer.pad_token
    if pad is not None and pad != tokenizer.eos_token:
        return Finding("pad", f"{pad} ({tokenizer.pad_token_id})")
    known = tokenizer.get_vocab()
    offer = next((token for token in _PAD_CANDIDATES if token in known and token != tokenizer.eos_token), None)
    state = "none" if pad is None else f"{pad}, equal to EOS"
    note = "harmless here: loss weights come from segments, never from comparing with pad"
    if offer:
        return Finding("pad", state, f"{note}; for other trainers use {offer}, which is in the vocabulary")
    extra = "; adding one would resize tied embeddings" if tied else ""
    return Finding("pad", state, note + extra)


def _template_text(tokenizer: Any) -> str:
    template = tokenizer.chat_template
    if not template:
        return "none"
    tools = "writes tools" if "tools" in str(template) else "knows no tools"
    return f"{len(str(template))} characters, {tools}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
