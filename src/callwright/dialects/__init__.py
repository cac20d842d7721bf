"""CANONICAL <-> A MODEL'S TEXT: the table of dialects, and which one a tokenizer gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from callwright.dialects import probe
from callwright.dialects.base import Dialect
from callwright.dialects.chat import SCHEMAS_PLAIN, Chat
from callwright.dialects.families import FAMILIES
from callwright.dialects.hermes import compact, hermes
from callwright.dialects.xlam import XlamTags
from callwright.errors import ModelError, did_you_mean


def _bos(tokenizer: Any) -> str:
    """The BOS text, where this tokenizer puts one before every text by itself."""
    ids = tokenizer("a")["input_ids"]
    return tokenizer.bos_token if tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id] else ""


def _native(tokenizer: Any) -> Dialect:
    return examine(tokenizer).dialect


def _chat(name: str, tokenizer: Any) -> Dialect:
    return Chat(FAMILIES[name], SCHEMAS_PLAIN, name, bos=_bos(tokenizer))


DIALECTS: Mapping[str, Callable[[Any], Dialect]] = {
    "hermes": lambda tokenizer: hermes(bos=_bos(tokenizer)),
    "compact": lambda tokenizer: compact(bos=_bos(tokenizer)),
    "xlam": lambda tokenizer: XlamTags(stop=tokenizer.eos_token, bos=_bos(tokenizer)),
    **{name: partial(_chat, name) for name in FAMILIES if name != "hermes"},
    "native": _native,
}
"""Every dialect by its name in a recipe, made for one tokenizer. All but the last bring their own prompt."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A dialect's name and the evidence for it."""

    name: str
    why: str


def examine(tokenizer: Any, settings: Mapping[str, Any] | None = None) -> probe.Found:
    """The family of a tokenizer's chat template, and what that template loses. Raises ModelError where it has none."""
    if not tokenizer.chat_template:
        raise ModelError("the tokenizer has no chat template; use 'dialect: hermes'")
    return probe.find(tokenizer.apply_chat_template, (tokenizer.eos_token,), settings)


def choose(tokenizer: Any) -> Choice:
    """The dialect that `auto` means for a tokenizer."""
    if not tokenizer.chat_template:
        return Choice("hermes", "the tokenizer has no chat template")
    try:
        found = examine(tokenizer)
    except ModelError as error:
        return Choice("hermes", str(error).partition("; use ")[0])
    family = found.dialect.family.name
    return Choice(
        "native",
        f"the chat template writes tools, and the {family} parser reads back what it writes, "
        f"{len(found.kept)} of {len(probe.PROBES)} probes",
    )


def dialect_for(name: str, tokenizer: Any) -> Dialect:
    """The dialect `name` ('auto' chooses) for a tokenizer. Raises ModelError for an unknown name."""
    if name == "auto":
        name = choose(tokenizer).name
    if name not in DIALECTS:
        known = ", ".join(["auto", *DIALECTS])
        raise ModelError(f"unknown dialect '{name}'{did_you_mean(name, DIALECTS)}; known: {known}")
    return DIALECTS[name](tokenizer)
