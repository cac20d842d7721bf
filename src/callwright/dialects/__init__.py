"""CANONICAL <-> A MODEL'S TEXT: the table of dialects, and which one a tokenizer gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from callwright.dialects.base import Dialect
from callwright.dialects.hermes import Hermes
from callwright.dialects.native import native, template_writes_tools
from callwright.dialects.xlam import XlamTags
from callwright.errors import ModelError, did_you_mean


def _bos(tokenizer: Any) -> str:
    """The BOS text, where this tokenizer puts one before every text by itself."""
    ids = tokenizer("a")["input_ids"]
    return tokenizer.bos_token if tokenizer.bos_token_id is not None and ids[:1] == [tokenizer.bos_token_id] else ""


def _native(tokenizer: Any) -> Dialect:
    if not tokenizer.chat_template:
        raise ModelError("the tokenizer has no chat template; use 'dialect: hermes'")
    return native(tokenizer.apply_chat_template, str(tokenizer.chat_template))


DIALECTS: dict[str, Callable[[Any], Dialect]] = {
    "hermes": lambda tokenizer: Hermes(bos=_bos(tokenizer)),
    "compact": lambda tokenizer: Hermes(bos=_bos(tokenizer), compact=True),
    "xlam": lambda tokenizer: XlamTags(stop=tokenizer.eos_token, bos=_bos(tokenizer)),
    "native": _native,
}
"""Every dialect by its name in a recipe, made for one tokenizer."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A dialect's name and the evidence for it."""

    name: str
    why: str


def choose(tokenizer: Any) -> Choice:
    """The dialect that `auto` means for a tokenizer."""
    template = tokenizer.chat_template
    if not template:
        return Choice("hermes", "the tokenizer has no chat template")
    if not template_writes_tools(tokenizer.apply_chat_template):
        return Choice("hermes", "the chat template does not write tools")
    try:
        _native(tokenizer)
    except ModelError as error:
        return Choice("hermes", str(error))
    return Choice("native", "the chat template writes tools and Hermes calls")


def dialect_for(name: str, tokenizer: Any) -> Dialect:
    """The dialect `name` ('auto' chooses) for a tokenizer. Raises ModelError for an unknown name."""
    if name == "auto":
        name = choose(tokenizer).name
    if name not in DIALECTS:
        known = ", ".join(["auto", *DIALECTS])
        raise ModelError(f"unknown dialect '{name}'{did_you_mean(name, DIALECTS)}; known: {known}")
    return DIALECTS[name](tokenizer)
