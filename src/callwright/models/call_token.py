"""A call token: one new special token that opens a call, with a row of its own in the embeddings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from callwright.dialects.family import Family
from callwright.errors import ModelError


def add_call_token(tokenizer: Any, token: str, family: Family) -> int:
    """Makes the opening of a family's calls one special token of the tokenizer; its id.

    Raises ModelError, with advice, where that would gain nothing: where the family opens calls with something else or
    with nothing, and where the tokenizer has this token already.
    """
    mark = family.opening_mark
    if not mark:
        raise ModelError(f"call_token: calls of the {family.name} family have no opening of their own; leave it out")
    if token != mark:
        raise ModelError(
            f"call_token: the {family.name} family opens calls with {mark!r}, and servers look for that; "
            "name that one, or leave call_token out: the plain text does as well"
        )
    if len(tokenizer(token, add_special_tokens=False)["input_ids"]) == 1:
        raise ModelError(f"call_token: {token!r} is one token of this tokenizer already; leave call_token out")
    from tokenizers import AddedToken

    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False)], special_tokens=True)
    return int(tokenizer.convert_tokens_to_ids(token))


def grow(model: Any, tokenizer: Any, token_id: int) -> None:
    """Gives a new token its row: resized once, where there is none, and begun as the mean of its parts' rows.

    The rows of a tied output layer are the same; one of its own gets a row too.
    """
    token = tokenizer.convert_ids_to_tokens(token_id)
    parts = _parts(tokenizer, token)
    if model.get_input_embeddings().weight.shape[0] <= token_id:
        model.resize_token_embeddings(token_id + 1, mean_resizing=False)
    tables = [model.get_input_embeddings(), model.get_output_embeddings()]
    with torch.no_grad():
        for table in {id(table.weight): table for table in tables if table is not None}.values():
            table.weight[token_id] = table.weight[parts].float().mean(0).to(table.weight.dtype)


def _parts(tokenizer: Any, token: str) -> list[int]:
    """The tokens that a new token's text was made of before: its two halves, each without the other."""
    pieces = [token[:1], token[1:]]
    ids = [tokenizer(piece, add_special_tokens=False)["input_ids"] for piece in pieces if piece]
    return [int(one) for some in ids for one in some]


def trained_rows(model: Any, token_id: int) -> dict[str, list[int]]:
    """PEFT's `trainable_token_indices`: the new row of the embeddings, and of an output layer that is not tied."""
    names = {id(module): name for name, module in model.named_modules()}
    first, last = model.get_input_embeddings(), model.get_output_embeddings()
    rows = {names[id(first)].rsplit(".", 1)[-1]: [token_id]}
    if last is not None and last.weight is not first.weight:
        rows[names[id(last)].rsplit(".", 1)[-1]] = [token_id]
    return rows


def grow_for(model: Any, adapter: Path) -> None:
    """Makes room for the rows that an adapter brings; their values are the adapter's own."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    rows = config.get("trainable_token_indices") or {}
    last = (
        max((max(ids) for ids in rows.values() if ids), default=-1) if isinstance(rows, dict) else max(rows, default=-1)
    )
    if last >= model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(last + 1, mean_resizing=False)
