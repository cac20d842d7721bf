"""Tools -> a project folder: a commented recipe, the tools as JSON, and a held-out file to be written by hand."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from callwright.data import TO_WRITE, canonical, write
from callwright.errors import RunError, ToolError
from callwright.tools import tool_to_json
from callwright.types import Conversation, JsonObject, Message, Tool, ToolCall

_RECIPE = """\
# Made by: {made_by}
# Run it with: callwright run {quoted}
# Any key can be changed on that line too, as in train.steps=50. Paths are relative to where you run it.

output: {run}    # adapter, scores, logs and checkpoints
model: {model}    # the embedded model, a hub id, or a folder
dialect: {dialect}    # how tools and calls are written: compact for a model that never saw tools, else auto
tools:
  source: {tools}    # 'callwright tools lint' says what in it would confuse a model

synth:                   # training rows made from the tools
  rows: {rows}
  seed: 1
# data:                  # training rows of your own, beside those or instead of them, in any format
#   train: my_rows.jsonl

lora:
  r: 16
  alpha: 32
train:
  epochs: 1              # or steps: 200
  batch_size: 32
  learning_rate: 2.5e-3  # for the embedded 135M model; 2.0e-4 suits models of a billion parameters and more
  schedule: cosine
  warmup_ratio: 0.03

eval:
  data: {reviewed}    # requests that people wrote; made by:
  # callwright data review {holdout}
  max_new_tokens: 128
"""


@dataclass(frozen=True, slots=True)
class Started:
    """The files that were written, and how many held-out requests are to be written."""

    recipe: Path
    tools: Path
    holdout: Path
    todo: int


def start(folder: Path, tools: Sequence[Tool], sources: Sequence[str], model: str, requests: int) -> Started:
    """Writes recipe.yaml, tools.json and holdout.jsonl into a folder.

    The held-out file has `requests` rows for each tool, and as many for each of: two calls, no call, and a question
    back. Their requests are empty, and no reader takes them for rows before `callwright data review` has written them.

    Raises RunError where one of the files is there, or the folder cannot be used; ToolError where there are no
    tools, or two of one name.
    """
    names = [tool.name for tool in tools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or not tools:
        what = f"two tools are named '{twice}'; choose one, as in my_tools.py:other,names" if tools else "no tools"
        raise ToolError(f"{' '.join(sources)}: {what}")
    made = Started(folder / "recipe.yaml", folder / "tools.json", folder / "holdout.jsonl", 0)
    there = [path for path in (made.recipe, made.tools, made.holdout) if path.exists()]
    if there:
        raise RunError(f"{there[0]}: exists already; give another --folder")
    if "#" in str(folder):
        # behind it stands what is chosen from a source of tools
        raise RunError(f"{folder}: give a --folder without '#' in its path")
    rows = list(_to_write(tools, requests))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        listed = json.dumps([tool_to_json(tool) for tool in tools], ensure_ascii=False, indent=2)
        made.tools.write_text(listed + "\n", encoding="utf-8")
        made.recipe.write_text(_recipe(folder, len(tools), sources, model), encoding="utf-8")
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror or error}") from None
    write(made.holdout, rows, _row)
    return Started(made.recipe, made.tools, made.holdout, len(rows))


def _recipe(folder: Path, tools: int, sources: Sequence[str], model: str) -> str:
    return _RECIPE.format(
        made_by=" ".join(shlex.join(["callwright", "init", *sources]).split()),
        quoted=shlex.quote(str(folder / "recipe.yaml")),
        holdout=shlex.quote(str(folder / "holdout.jsonl")),
        run=_scalar(folder / "run"),
        tools=_scalar(folder / "tools.json"),
        reviewed=_scalar(folder / "holdout.reviewed.jsonl"),
        model=_scalar(model),
        dialect="compact" if model == "smollm2-135m" else "auto",
        rows=min(6000, max(600, 300 * tools)),
    )


def _scalar(value: object) -> str:
    """As YAML writes a text: quoted where it must be."""
    return yaml.safe_dump(str(value), allow_unicode=True, width=1 << 20).removesuffix("\n").removesuffix("\n...")


def _row(row: Conversation) -> JsonObject:
    """Without the empty list of tools: the recipe names them, once for all rows."""
    return {key: value for key, value in canonical.to_row(row).items() if key != "tools"}


def _to_write(tools: Sequence[Tool], requests: int) -> Iterator[Conversation]:
    values = {tool.name: _Values(tool) for tool in tools}
    for tool in tools:
        for number in range(1, requests + 1):
            what = f"Write a request that needs {tool.name}, the way your users would say it."
            yield _todo(f"{tool.name}-{number}", "single", what, [values[tool.name].call()])
    pairs = itertools.islice(itertools.cycle(zip(tools, [*tools[1:], tools[0]], strict=True)), requests)
    for number, (first, second) in enumerate(pairs, 1):
        what = "Write one request that needs both calls."
        yield _todo(f"parallel-{number}", "parallel", what, [values[first.name].call(), values[second.name].call()])
    asking = itertools.cycle([tool for tool in tools if tool.parameters.get("required")] or [None])
    for number, lacking in enumerate(itertools.islice(asking, requests), 1):
        if lacking is not None:
            what = f"Write a request for {lacking.name} without something it must know, and an answer that asks for it."
            yield _todo(f"missing-{number}", "missing", what, [])
    for number in range(1, requests + 1):
        what = "Write a request that none of the functions can fulfil, or small talk, and the answer to it."
        yield _todo(f"no_call-{number}", "no_call", what, [])


def _todo(row_id: str, source: str, what: str, calls: Sequence[ToolCall]) -> Conversation:
    messages = (Message("user", ""), Message("assistant", "", tuple(calls)))
    return Conversation(row_id, (), messages, source, provenance={TO_WRITE: what})


class _Values:
    """Proposes arguments of one tool: its enum values and booleans in turn, so that each is asked for.

    All others are the writer's: a sampled number or name would be one that nobody says.
    """

    def __init__(self, tool: Tool) -> None:
        self._name = tool.name
        required = tool.parameters.get("required") or ()
        properties = tool.parameters.get("properties") or {}
        self._choices: dict[str, Iterator[Any]] = {
            name: itertools.cycle(choices)
            for name, schema in properties.items()
            if name in required and isinstance(schema, dict) and (choices := _choices(schema))
        }

    def call(self) -> ToolCall:
        return ToolCall(self._name, {name: next(values) for name, values in self._choices.items()})


def _choices(schema: JsonObject) -> list[Any]:
    if isinstance(schema.get("enum"), list):
        return list(schema["enum"])
    return [True, False] if schema.get("type") == "boolean" else []
