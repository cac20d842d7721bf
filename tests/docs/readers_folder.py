"""The folder of somebody who follows the documents: every file that these name, small enough for seconds.

What stands in a document is typed as it is, with these differences:

| the document says | here it is |
|---|---|
| `smollm2-135m` | two layers of random weights with the embedded tokenizer, in `$CALLWRIGHT_CACHE` |
| `MODEL` | `smollm2-135m` |
| `examples/home/holdout.jsonl`, `../shared/data/*` | a few rows of these files |
| more rows or steps than some | `--rows 20`, `train.steps=4`, `synth: {rows: 20}` in examples/home/recipe.yaml |
| a file that a command writes and that is there | it is removed before |
| ports 8000 and 8765 | free ones, also in requests to them; no browser is opened |
| `callwright serve` | with `--engine torch --context 1024`; other engines are tested in a process of their own |
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from pathlib import Path

from documents import DOCUMENTS, ROOT

from command_line import Cli

DATA = Path(os.environ.get("CALLWRIGHT_DATA") or ROOT.parent / "shared" / "data")
WHOLE = os.environ.get("CALLWRIGHT_DOCS") == "whole"
"""Commands read the whole of ../shared/data, and what they print must be what the documents show."""

_MOST_ROWS, _MOST_STEPS = 20, 4
_RECIPE = """\
output: runs/mine
dialect: compact
tools: {source: my_tools.py}
data: {train: train.jsonl}
lora: {r: 2}
train: {steps: 2, batch_size: 2, precision: float32, threads: 1}
eval: {data: held_out.jsonl, rows: 2, max_new_tokens: 4}
"""
_RUNS = ("home", "mine", "office", "music", "sft")
"""Folders of runs that the documents take for granted; the first is run, the others are copies."""
_EVALUATIONS = ("first", "second", "other")
_API = """\
openapi: 3.1.0
info: {title: Orders, version: "1"}
paths:
  /orders/{id}:
    get:
      operationId: getOrder
      summary: Look up an order.
      parameters: [{name: id, in: path, required: true, description: Its number., schema: {type: integer}}]
    delete:
      operationId: cancelOrder
      summary: Cancel an order.
      parameters: [{name: id, in: path, required: true, description: Its number., schema: {type: integer}}]
"""


def tiny_embedded(tokenizer: str, folder: Path) -> None:
    """What `smollm2-135m` is made of here, in the folder of a cache."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shutil.copytree(tokenizer, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = LlamaConfig.from_pretrained(folder)
    for key, value in {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}.items():
        setattr(config, key, value)
    config.num_attention_heads, config.num_key_value_heads, config.head_dim = 4, 2, 8
    config.tie_word_embeddings = False
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        # so likely to end that about every second token does: replies of random weights are endless else
        seen = model.model(torch.randint(100, 40_000, (8, 32))).last_hidden_state.flatten(0, 1)
        end = seen.mean(0)
        others = (seen @ model.lm_head.weight.T).max(-1).values
        model.lm_head.weight[config.eos_token_id] = end * (others / (seen @ end)).abs().median()
    model.to(torch.bfloat16).save_pretrained(folder)


def furnish(folder: Path, callwright: Cli) -> None:
    """All files. The working directory is `folder`."""
    for name in ("recipes", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("constraints.txt", "Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    home = folder / "examples" / "home"
    held_out = (home / "holdout.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (home / "holdout.jsonl").write_text("".join([*held_out[:2], held_out[-1]]), encoding="utf-8")
    recipe = (home / "recipe.yaml").read_text(encoding="utf-8")
    (home / "recipe.yaml").write_text(re.sub(r"rows: \d+", f"rows: {_MOST_ROWS}", recipe), encoding="utf-8")
    for name in ("my_tools.py", "tools.py"):
        shutil.copy(home / "tools.py", folder / name)
    shutil.copy(home / "phrases.yaml", folder)
    (folder / "recipe.yaml").write_text(_RECIPE, encoding="utf-8")
    (folder / "api.yaml").write_text(_API, encoding="utf-8")
    _rows(folder, callwright)
    _versions(folder)
    _typed(callwright, "run", "recipe.yaml", f"output=runs/{_RUNS[0]}")
    for name in _RUNS[1:]:
        shutil.copytree(folder / "runs" / _RUNS[0], folder / "runs" / name)
    scored = ("--data", "held_out.jsonl", "--max-new-tokens", "4", "--output", f"runs/{_EVALUATIONS[0]}")
    _typed(callwright, "eval", "smollm2-135m", *scored)
    for name in _EVALUATIONS[1:]:
        shutil.copytree(folder / "runs" / _EVALUATIONS[0], folder / "runs" / name)
    shutil.copy(folder / "runs" / _RUNS[0] / "data" / "tools.json", folder)
    shutil.copy(folder / "runs" / _RUNS[0] / "tuned" / "failures.jsonl", folder)
    _data(folder.parent / "shared" / "data")


def _rows(folder: Path, callwright: Cli) -> None:
    """train.jsonl and its like, in the format of the package."""
    _typed(callwright, "synth", "my_tools.py", "train.jsonl", "--rows", "40", "--phrases", "phrases.yaml")
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    for name in ("mine", "unused", "more", "calls", "all", "made", "holdout"):
        (folder / f"{name}.jsonl").write_text("".join(lines[20:]), encoding="utf-8")
    for name, begin in {"held_out": 0, "dev": 2, "dev_a": 4, "dev_b": 6, "test": 8}.items():
        (folder / f"{name}.jsonl").write_text("".join(lines[begin : begin + 2]), encoding="utf-8")
    task = {"messages": [{"role": "user", "content": "Is it dark in the hall?"}], "values": ["dark"]}
    (folder / "tasks.jsonl").write_text(json.dumps(task) + "\n", encoding="utf-8")
    for name in ("train.xlam.json", "xlam.json.gz"):
        _typed(callwright, "data", "convert", "calls.jsonl", name, "--to", "xlam", "--skip-bad")
    chat = [{"role": "user", "content": "Good morning."}, {"role": "assistant", "content": "Good morning to you."}]
    (folder / "chat.jsonl").write_text((json.dumps({"messages": chat}) + "\n") * 4, encoding="utf-8")


def _versions(folder: Path) -> None:
    """Two versions of the same tools, and rows for the first: what docs/tools.md compares."""
    light = {"room": {"type": "string"}, "state": {"enum": ["on", "off"], "description": "What to do."}}
    timer = {"minutes": {"type": "integer"}}
    named = {"label": {"type": "string", "description": "What it is called."}}
    first = [_tool("set_light", "Switch a light.", light), _tool("set_timer", "Count down from some minutes.", timer)]
    room = {"room": {"type": "string"}, "state": {"enum": ["on", "off", "dim"], "description": "What to do."}}
    second = [
        _tool("switch_light", "Switch a light.", room),
        _tool("set_timer", "Count down from some minutes.", timer | named),
    ]
    for name, tools in {"home_v1": first, "home_v2": second, "v1": first, "v2": second}.items():
        (folder / f"{name}.json").write_text(json.dumps(tools), encoding="utf-8")
    calls = {
        "hall light on": {"name": "set_light", "arguments": {"room": "hall", "state": "on"}},
        "five minutes": {"name": "set_timer", "arguments": {"minutes": 5}},
    }
    rows = [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "tool_calls": [call]}], "tools": first}
        for asked, call in calls.items()
    ]
    (folder / "home.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _tool(name: str, description: str, properties: dict[str, object]) -> dict[str, object]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "description": description, "parameters": parameters}


def _data(folder: Path) -> None:
    """../shared/data, or the first rows of its files; nothing where it is not there."""
    folder.parent.mkdir()
    if WHOLE:
        folder.symlink_to(DATA)
        return
    places = [*DOCUMENTS, *(ROOT / "recipes").glob("*.yaml")]
    named = {name for path in places for name in re.findall(r"shared/data/(\S+\.gz)", path.read_text("utf-8"))}
    for name in named if DATA.is_dir() else ():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(DATA / name) as file, gzip.open(target, "wb") as cut:
            lines = file.readlines()
            cut.writelines(lines[:: max(1, len(lines) // _MOST_ROWS)])


def _typed(callwright: Cli, *words: str) -> None:
    code, _, errors = callwright(*words)
    assert code == 0, errors


def as_typed(text: str, ports: dict[int, int]) -> str:
    """The document's text with the differences that are of text."""
    text = re.sub(r"\bMODEL\b", "smollm2-135m", text)
    if not WHOLE:
        text = re.sub(r"--rows (\d+)", lambda found: f"--rows {min(int(found[1]), _MOST_ROWS)}", text)
    text = re.sub(r"train\.steps=(\d+)", f"train.steps={_MOST_STEPS}", text)
    for port, free in ports.items():
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
    if text.startswith("callwright serve"):
        text += " --engine torch --context 1024"
    if text.startswith("callwright data review"):
        text += " --port 0 --no-browser"
    return text


def written(words: list[str], folder: Path) -> list[Path]:
    """What a command will write and must not find: files that its options name, and the last file of verbs with two."""
    options = [
        words[at + 1] for at, word in enumerate(words[:-1]) if word in ("--output", "--fix", "--train", "--held-out")
    ]
    plain = [
        word for at, word in enumerate(words) if not (word.startswith("-") or (at and words[at - 1].startswith("--")))
    ]
    places = {"synth": 3, "data convert": 4, "data dedupe": 4, "data augment": 4, "data pairs": 4, "data migrate": 4}
    places |= {"data mix": 3}
    for verb, place in places.items():
        if " ".join(plain[1:]).startswith(verb) and len(plain) > place:
            options.append(plain[place])
    if words[1:2] == ["run"] or words[1:2] == ["train"]:
        options += [word.removeprefix("output=") for word in words if word.startswith("output=")] or ["runs/mine"]
    return [folder / option for option in options if (folder / option).exists()]
