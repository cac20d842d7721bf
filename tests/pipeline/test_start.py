"""What `callwright init` writes: a recipe and tools that load, and requests that nobody counts before their time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from callwright.data import TO_WRITE, read
from callwright.errors import RunError, ToolError
from callwright.pipeline.start import start
from callwright.recipe import load_recipe
from callwright.tools import load_tools
from callwright.types import BadRow, Conversation, Tool

HOME = Path(__file__).parents[2] / "examples" / "home" / "tools.py"


@pytest.mark.parametrize("name", ["mine", "my: model 1", "- 'a' \"b\"", "{x}%s", "日本", "no", "1.0", "a/b/c"])
@pytest.mark.parametrize("model", ["smollm2-135m", "org/model: 7B # new"])
def test_the_recipe_loads_whatever_the_names_are(
    name: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = start(Path(name), load_tools(str(HOME)), ["my tools.py", "a\nb"], model, 2)
    recipe = load_recipe(made.recipe)
    assert (recipe.output, recipe.model) == (f"{name}/run", model)
    assert recipe.dialect == ("compact" if model == "smollm2-135m" else "auto")
    assert recipe.eval is not None
    assert recipe.eval.data == f"{name}/holdout.reviewed.jsonl"
    assert recipe.tools.source == str(made.tools)
    assert load_tools(str(made.tools)) == load_tools(str(HOME))
    assert "callwright data review" in made.recipe.read_text(encoding="utf-8")


def test_the_held_out_file_is_to_be_written(tmp_path: Path) -> None:
    tools = load_tools(str(HOME))
    made = start(tmp_path / "mine", tools, ["tools.py"], "smollm2-135m", 3)
    assert all(isinstance(row, BadRow) for row in read(made.holdout)), "nobody takes them for rows"
    rows = [row for row in read(made.holdout, todo=True) if isinstance(row, Conversation)]
    assert len(rows) == made.todo == 45
    assert Counter(row.source for row in rows) == {"single": 36, "parallel": 3, "missing": 3, "no_call": 3}
    assert all(row.messages[0].text == "" and row.provenance[TO_WRITE] for row in rows)
    assert len({row.id for row in rows}) == 45
    lights = [row.messages[1].calls[0].arguments for row in rows if row.id.startswith("set_light")]
    assert [each["state"] for each in lights] == ["on", "off", "dim"], "enum values in turn"
    assert {call.name for row in rows for call in row.messages[1].calls} == {tool.name for tool in tools}


def test_one_tool_without_parameters(tmp_path: Path) -> None:
    made = start(tmp_path, [Tool("ping", "", {"type": "object", "properties": {}})], ["x"], "m", 1)
    rows = [row for row in read(made.holdout, todo=True) if isinstance(row, Conversation)]
    assert [row.source for row in rows] == ["single", "parallel", "no_call"], "nothing can be missing"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    tools = load_tools(str(HOME))
    for name in ("recipe.yaml", "tools.json", "holdout.jsonl"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(RunError, match=f"{name}: exists already"):
            start(folder, tools, ["tools.py"], "m", 1)
        assert [path.name for path in folder.iterdir()] == [name]
        assert (folder / name).read_text() == "mine"
    with pytest.raises(RunError, match="without '#'"):
        start(tmp_path / "no #1", tools, ["tools.py"], "m", 1)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError):
        start(tmp_path / "file", tools, ["tools.py"], "m", 1)


def test_tools_must_be_told_apart(tmp_path: Path) -> None:
    tools = load_tools(str(HOME))
    with pytest.raises(ToolError, match="two tools are named 'set_light'"):
        start(tmp_path / "mine", [*tools, tools[0]], ["a.py", "b.py"], "m", 1)
    with pytest.raises(ToolError, match="no tools"):
        start(tmp_path / "mine", [], ["a.py"], "m", 1)
    assert not (tmp_path / "mine").exists()
