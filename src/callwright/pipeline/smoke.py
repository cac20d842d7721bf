"""A recipe -> the same recipe in small: a random model of its architecture, a few rows and steps, every step walked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from callwright.data import canonical, conversations
from callwright.data.preferences import corrupted, write_pairs
from callwright.errors import ModelError
from callwright.models.bundled import BUNDLED
from callwright.models.quiet import quiet
from callwright.models.tokenizer import load_tokenizer, resolve
from callwright.recipe import Recipe, make_recipe
from callwright.types import Conversation, JsonObject, Message, Tool, ToolCall

_ROWS = 24
# wide enough for blocks of 64 weights in 4 bits, narrow enough for seconds
_SMALL: JsonObject = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "sliding_window": 256,
    "query_pre_attn_scalar": 32,
}


def smoke(recipe: Recipe, folder: Path, config: Path | None = None) -> Recipe:
    """The recipe in small, in `folder`: nothing of its own output is touched.

    The model is a random one of its architecture, of about 13 million parameters, with the embedded model's tokenizer.
    config: a config.json, where the model is not at hand. Data that is not there is made up.
    """
    model = _tiny(recipe.model, config, folder / "model")
    small = recipe.as_json()
    small |= {"output": str(folder / "run"), "model": model, "adapter": None}
    small["train"] |= {"steps": 2, "batch_size": 4, "choose": None, "trackers": [], "shard": False, "save_every": 0}
    if not torch.cuda.is_available() and small["train"]["optimizer"] in ("adamw_8bit", "paged_adamw_8bit"):
        small["train"]["optimizer"] = "adamw"
    small["lora"]["r"] = min(4, small["lora"]["r"])
    small["retention"] = None
    if recipe.grpo is not None:
        small["grpo"] |= {"generations": 2, "max_new_tokens": 8}
    if recipe.dpo is None:
        _shorten(small, folder)
    elif not Path(recipe.dpo.pairs).is_file():
        small["dpo"]["pairs"] = _pairs(folder / "pairs.jsonl", folder)
    if small["eval"] is not None:
        # rows that are scored must call the tools of pairs that are made up
        there = Path(small["eval"]["data"]).is_file() and (recipe.dpo is None or Path(recipe.dpo.pairs).is_file())
        data = small["eval"]["data"] if there else _rows(folder / "held_out.jsonl")
        small["eval"] |= {"data": data, "rows": 2, "max_new_tokens": 8, "base": False}
    return make_recipe(small, "smoke")


def _shorten(small: JsonObject, folder: Path) -> None:
    """The first rows of every source that is there; of synthesis a few; rows made up where there is nothing else."""
    data = small["data"]
    named = data["train"] if isinstance(data["train"], list) else [{"file": data["train"]}] if data["train"] else []
    found = [{**one, "cap": None, "rows": _ROWS * 8} for one in named if Path(one["file"]).is_file()]
    if small["synth"] is not None:
        small["synth"]["rows"] = _ROWS
    elif not found or small["train"]["max_length"] < 1024:
        # the embedded model's tokens of some rows are more than a short limit holds
        small["tools"].update(most_frequent=None, others=0.0)
        found = [{"file": _rows(folder / "rows.jsonl")}]
    data |= {"train": found or None, "rows": _ROWS if len(found) > 1 else None, "exclude": [], "augment": None}
    data["bad_rows"] = "drop"


def _tiny(model: str, config: Path | None, folder: Path) -> str:
    """A random model's folder."""
    from transformers import AutoConfig, AutoModelForCausalLM

    if model == BUNDLED:
        return model
    try:
        with quiet():
            shape = AutoConfig.from_pretrained(str(config) if config else resolve(model)).get_text_config()
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{model}: its architecture cannot be read; give a config.json with --config") from error
    tokenizer = load_tokenizer(BUNDLED)
    known: dict[str, Any] = {name: value for name, value in _SMALL.items() if hasattr(shape, name)}
    if known.get("sliding_window") and not shape.sliding_window:
        del known["sliding_window"]
    special = {"pad_token_id": 0, "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(0)
    with quiet():
        made = type(shape)(vocab_size=len(tokenizer), tie_word_embeddings=shape.tie_word_embeddings, **known, **special)
        AutoModelForCausalLM.from_config(made, dtype=torch.float32).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return str(folder)


def _pairs(file: Path, folder: Path) -> str:
    """Preferences, made of the rows below."""
    write_pairs(file, corrupted(conversations(_rows(folder / "rows.jsonl"))))
    return str(file)


def _rows(file: Path) -> str:
    """Calls of two tools, made up."""
    parameters = {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]}
    tools = tuple(Tool(name, f"{name}.", parameters) for name in ("set_timer", "set_alarm"))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as out:
        for number in range(_ROWS):
            tool = tools[number % 2]
            answer = Message("assistant", "", (ToolCall(tool.name, {"minutes": number}),))
            asked = Message("user", f"{tool.name.replace('_', ' ')} for {number} minutes")
            out.write(json.dumps(canonical.to_row(Conversation(f"smoke-{number}", tools, (asked, answer)))) + "\n")
    return str(file)
