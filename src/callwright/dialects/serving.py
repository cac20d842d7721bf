"""A family -> the flags with which servers parse its calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parsers:
    """Names of tool-call parsers; "" where a server has none for the family."""

    vllm: str = ""
    sglang: str = ""


SERVED: Mapping[str, Parsers] = {
    "hermes": Parsers("hermes", "qwen25"),
    "qwen3-coder": Parsers("qwen3_coder", "qwen3_coder"),
    "xlam-json": Parsers("xlam"),
    "llama-json": Parsers("llama3_json", "llama3"),
    "pythonic": Parsers("pythonic", "pythonic"),
    "mistral": Parsers("mistral", "mistral"),
    "mistral-v11": Parsers("mistral", "mistral"),
    "phi4-mini": Parsers("phi4_mini_json"),
    "functiongemma": Parsers("functiongemma"),
    "gemma4": Parsers("gemma4", "gemma4"),
    "granite": Parsers("granite"),
    "granite-3.0": Parsers("granite"),
    "deepseek-v3": Parsers("deepseek_v3", "deepseekv3"),
    "deepseek-v3.1": Parsers("deepseek_v31", "deepseekv31"),
    "lfm2": Parsers("lfm2", "lfm2"),
    "command-r": Parsers("cohere_command3"),
    "harmony": Parsers("openai", "gpt-oss"),
    "glm": Parsers("glm45", "glm45"),
    "minimax-m2": Parsers("minimax_m2", "minimax-m2"),
    "kimi-k2": Parsers("kimi_k2", "kimi_k2"),
    "atem": Parsers(sglang="muse"),
}
"""Names as vLLM's and SGLang's registries had them in November 2026; not run here."""


def flags(family: str) -> tuple[str, str]:
    """What to add to `vllm serve` and to `sglang.launch_server`; "" where that server has no parser for the family.

    >>> flags("hermes")[0]
    '--enable-auto-tool-choice --tool-call-parser hermes'
    """
    known = SERVED.get(family, Parsers())
    vllm = f"--enable-auto-tool-choice --tool-call-parser {known.vllm}" if known.vllm else ""
    return vllm, f"--tool-call-parser {known.sglang}" if known.sglang else ""
