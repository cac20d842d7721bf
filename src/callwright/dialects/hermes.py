"""Conversation <-> ChatML text with Hermes tool tags, as Qwen2.5's template writes it; the default dialect."""

from __future__ import annotations

from callwright.dialects.chat import SCHEMAS, SIGNATURES, Chat
from callwright.dialects.families.hermes import HERMES


def hermes(default_system: str = "You are a helpful assistant.", bos: str = "") -> Chat:
    """ChatML with Hermes calls, tools declared by their schemas."""
    return Chat(HERMES, SCHEMAS, "hermes", default_system, bos)


def compact(default_system: str = "You are a helpful assistant.", bos: str = "") -> Chat:
    """The same with tools declared by signatures: half the prompt, for models that were never shown either form."""
    return Chat(HERMES, SIGNATURES, "compact", default_system, bos)
