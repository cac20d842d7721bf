"""A recipe -> what its model needs around it: the machine, the tokenizer, the dialect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from callwright.dialects import dialect_for
from callwright.dialects.base import Dialect
from callwright.models.call_token import add_call_token
from callwright.models.hardware import Hardware, detect
from callwright.models.tokenizer import load_tokenizer
from callwright.recipe import Recipe


@dataclass(frozen=True)
class Workshop:
    """What a recipe's model needs around it."""

    hardware: Hardware
    tokenizer: Any
    dialect: Dialect
    new_token: int | None = None


def open_workshop(recipe: Recipe) -> Workshop:
    """Loads the tokenizer, chooses the dialect and looks at the machine. Raises ModelError."""
    tokenizer = load_tokenizer(recipe.model)
    hardware = detect(recipe.train.precision, recipe.train.threads)
    dialect = dialect_for(recipe.dialect, tokenizer)
    added = add_call_token(tokenizer, recipe.call_token, dialect.family) if recipe.call_token else None
    return Workshop(hardware, tokenizer, dialect, added)
