"""A tokenizer -> what a GGUF file says of it: tokens, merges or scores, how text is cut, and the chat template.

llama.cpp has the ways in which text is cut built in, by name; a tokenizer that cuts otherwise is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from callwright.errors import ModelError

_CUTS: Mapping[str, tuple[str, ...]] = {
    "llama-bpe": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    "qwen2": (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    "tekken": (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    "smollm": ("digits", "bytes"),
    "gpt-2": ("bytes",),
}
"""llama.cpp's names (`llama-vocab.cpp`) -> the steps of a pre-tokenizer in `tokenizer.json`."""


def add_words(writer: Any, tokenizer: Any, rows: int, template: str | None) -> None:
    """Writes a tokenizer's keys. rows: of the model's embeddings; those behind the last token are unused ones.

    Raises ModelError for a tokenizer whose way of cutting llama.cpp does not have.
    """
    made = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = made["model"]
    if kind["type"] != "BPE":
        raise ModelError(f"a tokenizer of type {kind['type']} is not written as GGUF; only BPE is")
    tokens = {number: text for text, number in kind["vocab"].items()}
    added = {token["id"]: token for token in made["added_tokens"]}
    tokens |= {number: token["content"] for number, token in added.items()}
    if max(tokens) >= rows:
        raise ModelError(f"the tokenizer knows {max(tokens) + 1:,} tokens, the model {rows:,}")
    pieces = bool(kind.get("byte_fallback"))
    listed = [tokens.get(number, f"[PAD{number}]") for number in range(rows)]
    unknown = kind.get("unk_token")
    types = [_type(number, tokens, added, unknown if pieces else None) for number in range(rows)]
    writer.add_tokenizer_model("llama" if pieces else "gpt2")
    writer.add_tokenizer_pre("default" if pieces else _cut(made.get("pre_tokenizer")))
    writer.add_token_list(listed)
    if pieces:
        writer.add_token_scores(_scores(kind, listed))
        writer.add_add_space_prefix(_prefixed(made))
    else:
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in kind["merges"]])
    writer.add_token_types(types)
    for name in ("bos", "eos", "unk", "pad"):
        number = getattr(tokenizer, f"{name}_token_id")
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(int(number))
    begun = tokenizer("").input_ids
    writer.add_add_bos_token(bool(begun) and begun[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(False)
    chosen = template if template is not None else tokenizer.chat_template
    if isinstance(chosen, str):
        writer.add_chat_template(chosen)


def _type(number: int, tokens: Mapping[int, str], added: Mapping[int, Any], unknown: str | None) -> int:
    import gguf

    text = tokens.get(number)
    if text is None:
        return int(gguf.TokenType.UNUSED)
    if unknown is not None and text == unknown:
        return int(gguf.TokenType.UNKNOWN)
    if number in added:
        return int(gguf.TokenType.CONTROL if added[number]["special"] else gguf.TokenType.USER_DEFINED)
    byte = unknown is not None and len(text) == 6 and text.startswith("<0x") and text.endswith(">")
    return int(gguf.TokenType.BYTE if byte else gguf.TokenType.NORMAL)


def _scores(kind: Mapping[str, Any], listed: list[str]) -> list[float]:
    """The order of merges as SentencePiece has it: the pair whose piece has the highest score is joined first."""
    rank: dict[str, int] = {}
    for number, merge in enumerate(kind["merges"]):
        first, second = merge.split(" ") if isinstance(merge, str) else merge
        rank.setdefault(first + second, number)
    return [-float(rank[text]) if text in rank else -1e6 for text in listed]


def _prefixed(made: Mapping[str, Any]) -> bool:
    """Whether a text gets a space before its first word."""
    steps = [*_steps(made.get("normalizer")), *_steps(made.get("pre_tokenizer"))]
    return any(
        step["type"] == "Prepend" or (step["type"] == "Metaspace" and step.get("prepend_scheme") != "never")
        for step in steps
    )


def _steps(part: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if part is None:
        return []
    inner = part.get("pretokenizers") or part.get("normalizers")
    return [step for each in inner for step in _steps(each)] if inner is not None else [dict(part)]


def _cut(part: Mapping[str, Any] | None) -> str:
    """llama.cpp's name of a pre-tokenizer. Raises ModelError where it has none."""
    found: list[str] = []
    for step in _steps(part):
        if step["type"] == "Split":
            pattern = step["pattern"]
            found.append(pattern.get("Regex") or pattern.get("String"))
        elif step["type"] == "Digits" and step.get("individual_digits"):
            found.append("digits")
        elif step["type"] == "ByteLevel":
            if step.get("use_regex", True):
                found.append("bytes")
            if step.get("add_prefix_space"):
                found.append("with a space before the first word")
        else:
            found.append(step["type"])
    for name, steps in _CUTS.items():
        if tuple(found) == steps:
            return name
    raise ModelError(
        f"llama.cpp has no name known here for a tokenizer that cuts text by {found}; "
        "give its own converter, as --converter PATH/convert_hf_to_gguf.py"
    )
