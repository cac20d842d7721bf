"""A run's folder: whose it is, and the account of rows that a run leaves in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callwright.errors import RunError
from callwright.pipeline.folder import claim
from callwright.pipeline.run import run
from callwright.recipe import make_recipe
from watcher import Watcher


def test_a_folder_written_before_a_key_existed_is_still_its_recipes(tmp_path: Path) -> None:
    recipe = make_recipe({"output": str(tmp_path / "out"), "data": {"train": "x.jsonl"}}, "recipe")
    claim(recipe)
    file = tmp_path / "out" / "recipe.json"
    old = json.loads(file.read_text())
    for key in ("seed", "exclude", "dedupe", "augment"):
        del old["data"][key]
    file.write_text(json.dumps(old))
    claim(recipe)
    other = make_recipe({"output": recipe.output, "data": {"train": "x.jsonl", "dedupe": 0.8}}, "recipe")
    with pytest.raises(RunError, match=r"other values of data\.dedupe"):
        claim(other)


def test_a_run_says_what_became_of_its_rows(tmp_path: Path, tiny_model: str) -> None:
    tool = {"name": "ring", "description": "Ring.", "parameters": {"type": "object", "properties": {}}}
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"ring bell {number}"},
                {"role": "assistant", "content": "", "tool_calls": [{"name": "ring", "arguments": {}}]},
            ],
            "tools": [tool, tool | {"name": "knock", "description": "Knock."}],
        }
        for number in (1, 1, 2)
    ]
    data = tmp_path / "bells.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "output": str(tmp_path / "out"),
        "model": tiny_model,
        "dialect": "hermes",
        "data": {"train": str(data), "dedupe": 1.0, "augment": {"kinds": ["shuffle_tools"], "copies": 1}},
        "train": {"steps": 1, "batch_size": 2, "precision": "float32", "threads": 1},
    }
    watch = Watcher()
    outcome = run(make_recipe(recipe, "recipe"), watch)
    account = outcome.summary["rows"]
    assert account["sources"] == {str(data): {"read": 3, "used": 3, "repeated": 1, "kept": 2}}
    assert account["added"] == {"shuffle_tools": 2}
    assert account == json.loads((tmp_path / "out" / "data" / "rows.json").read_text())
    assert watch.seen["augmented"] == "2 shuffle_tools" and "equal to bells-1" in watch.seen["left out"]
