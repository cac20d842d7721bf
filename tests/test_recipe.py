"""Recipes: validated, with the nearest name for an unknown key, and the shipped ones valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from callwright.errors import RecipeError
from callwright.recipe import load_recipe

ROOT = Path(__file__).parents[1]
SHIPPED = [*sorted((ROOT / "recipes").glob("*.yaml")), ROOT / "examples" / "home" / "recipe.yaml"]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_recipes_are_valid(file: Path) -> None:
    recipe = load_recipe(file)
    assert recipe.eval is not None
    assert load_recipe(file).as_json() == recipe.as_json()


def write(folder: Path, text: str) -> str:
    (folder / "r.yaml").write_text(text)
    return str(folder / "r.yaml")


MINIMAL = "output: out\ndata: {train: x.jsonl}\n"


def test_overrides(tmp_path: Path) -> None:
    made = load_recipe(write(tmp_path, MINIMAL), ["train.steps=7", "eval.data=dev.jsonl", "lora.r=4", "model=/m"])
    assert made.eval is not None
    assert (made.train.steps, made.eval.data, made.lora.r, made.model) == (7, "dev.jsonl", 4, "/m")
    assert load_recipe(write(tmp_path, MINIMAL), ["data.rows=null"]).data.rows is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MINIMAL + "lora: {rank: 4}\n", "unknown key 'lora.rank'; known here: r, alpha"),
        (MINIMAL + "trian: {}\n", "unknown key 'trian'; did you mean 'train'"),
        (MINIMAL + "eval: {dat: x}\n", "unknown key 'eval.dat'; did you mean 'data'"),
        (MINIMAL + "train: {learning_rate: -1}\n", "'train.learning_rate'"),
        (MINIMAL + "method: qlora\nadapter: a\n", "'adapter' would be lost in 4 bits"),
        (MINIMAL + "train: {schedule: square}\n", "'train.schedule'"),
        ("output: o\ndata: {train: [{fil: x}]}\n", "unknown key 'data.train[0].fil'; did you mean 'file'?"),
        ("output: o\ndata: {train: [{file: x, weight: 0}]}\n", "'data.train[0].weight'"),
        ("output: o\ndata: {train: []}\n", "'data.train'"),
        ("output: o\ndata: {train: x, exclude: [{file: x, tool: 1}]}\n", "did you mean 'tools'?"),
        ("output: o\ndata: {train: x, dedupe: 2}\n", "'data.dedupe'"),
        ("output: o\ndata: {train: x, augment: {kinds: [witholding]}}\n", "did you mean 'withhold'?"),
        ("output: o\ndata: {train: x, augment: {kinds: []}}\n", "'data.augment.kinds'"),
        ("data: {train: x}\n", "'output' is missing"),
        ("output: out\n", "nothing to train on"),
        ("output: out\nsynth: {rows: 3}\n", "give 'tools.source'"),
        ("output: out\ntools: {most_frequent: 3}\nsynth: {}\n", "give 'tools.source'"),
        (MINIMAL + "tools: {most_frequent: 3, source: a.py}\n", "keep one"),
        (MINIMAL + "tools: {others: 0.2}\n", "'tools.others' is for 'tools.most_frequent'"),
        ("output: [", "not YAML"),
        ("- a\n", "a recipe is a mapping"),
    ],
)
def test_wrong_recipes(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(write(tmp_path, text))
    assert words in str(error.value)
    assert "r.yaml" in str(error.value)


@pytest.mark.parametrize("override", ["train.steps", "=3", "train.steps=[", "train.step=3"])
def test_wrong_overrides(tmp_path: Path, override: str) -> None:
    with pytest.raises(RecipeError):
        load_recipe(write(tmp_path, MINIMAL), [override])
