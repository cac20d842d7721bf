"""A run's folder as training leaves it, without the training: random weights, a random adapter, the rows and tools."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from callwright.models.hardware import detect
from callwright.models.load import load_model
from callwright.models.tokenizer import load_tokenizer
from callwright.recipe import make_recipe
from tiny import tiny_folder

TOOLS = [
    {
        "name": "ring",
        "description": "Rings a bell.",
        "parameters": {"type": "object", "properties": {"times": {"type": "integer"}}, "required": ["times"]},
    },
    {"name": "stop", "description": "Stops it.", "parameters": {"type": "object", "properties": {}}},
]


def row(number: int) -> dict[str, object]:
    call = {"name": "ring", "arguments": {"times": number}}
    messages = [
        {"role": "user", "content": f"ring {number} times"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    return {"id": f"r{number}", "messages": messages, "tools": TOOLS}


def run_folder(folder: Path, *, four_bits: bool = False, dialect: str = "compact") -> Path:
    """`folder`/bells, of a tiny base beside it; held-out rows are in `folder`/held_out.jsonl."""
    base, run = tiny_folder(folder / "base", width=64, merges=[("i", "n"), ("in", "g")]), folder / "bells"
    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(load_model(base, detect("float32")), config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.1)
    model.save_pretrained(str(run / "adapter"))
    load_tokenizer(base).save_pretrained(str(run / "adapter"))
    notes = {"dialect": dialect} | ({"four_bits": True} if four_bits else {})
    (run / "adapter" / "callwright.json").write_text(json.dumps(notes))
    recipe = make_recipe(
        {
            "output": str(run),
            "model": base,
            "data": {"train": "gone.jsonl"},
            "method": "qlora" if four_bits else "lora",
        },
        "test",
    )
    (run / "recipe.json").write_text(json.dumps(recipe.as_json()))
    (run / "data").mkdir()
    (run / "data" / "tools.json").write_text(json.dumps(TOOLS))
    rows = [json.dumps(row(number)) + "\n" for number in range(6)]
    (run / "data" / "train.jsonl").write_text("".join(rows[:3]))
    (folder / "held_out.jsonl").write_text("".join(rows[3:]))
    return run
