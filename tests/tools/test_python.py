"""Python functions -> tools: three docstring styles, and every annotation that people write."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pytest
from pydantic import BaseModel, Field

from callwright.errors import ToolError
from callwright.schema import sample_value, validate
from callwright.tools import load_tools, signature_of, tool_from_function


def google(room: str, level: int = 50) -> None:
    """Set a light.

    Args:
        room: Which room,
            as people say it.
        level: Percent.

    Returns:
        Nothing.
    """


def numpy(room, level=50):
    """Set a light.

    Parameters
    ----------
    room : str
        Which room, as people say it.
    level : int, optional
        Percent.
    """


def sphinx(room: str, level: int = 50) -> None:
    """Set a light.

    :param room: Which room, as people say it.
    :param level: Percent.
    """


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_docstring_styles_agree(function: Any) -> None:
    tool = tool_from_function(function)
    assert tool.description == "Set a light."
    properties = tool.parameters["properties"]
    assert properties["room"]["description"] == "Which room, as people say it."
    assert properties["level"] == {"type": "integer", "description": "Percent.", "default": 50}
    assert tool.parameters["required"] == ["room"]


@dataclass
class Place:
    street: str
    number: int = 1
    tags: list[str] = field(default_factory=list)


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Guest(BaseModel):
    """Somebody who comes."""

    name: str = Field(description="Full name.", min_length=1)
    age: int | None = None


class Point(TypedDict):
    x: float
    y: float


def everything(  # noqa: PLR0913
    mode: Literal["on", "off"],
    colour: Colour,
    place: Place,
    guests: list[Guest],
    when: date,
    tree: Tree,
    point: Point,
    names: Sequence[str] = (),
    count: Annotated[int, Field(ge=1, le=5)] = 1,
    note: str | None = None,
    extra: dict[str, Any] | None = None,
    size: tuple[int, int] = (1, 2),
    either: int | str = 0,
) -> None:
    """Do everything."""


def test_annotations() -> None:
    tool = tool_from_function(everything)
    properties = tool.parameters["properties"]
    assert properties["mode"]["enum"] == ["on", "off"]
    assert properties["colour"]["enum"] == ["red", "blue"]
    assert properties["place"]["properties"]["number"] == {"type": "integer", "default": 1}
    assert properties["place"]["required"] == ["street"]
    assert properties["guests"]["items"]["properties"]["name"]["minLength"] == 1
    assert properties["when"] == {"type": "string", "format": "date"}
    assert set(properties["point"]["required"]) == {"x", "y"}
    assert (properties["count"]["minimum"], properties["count"]["maximum"]) == (1, 5)
    assert "null" in properties["note"]["type"]
    assert set(properties["either"]["type"]) == {"integer", "string"}
    assert tool.parameters["required"] == ["mode", "colour", "place", "guests", "when", "tree", "point"]
    # a class that holds itself stays a definition
    assert list(tool.parameters["$defs"]) == ["Tree"]


def test_the_schema_takes_its_own_samples_and_refuses_others() -> None:
    import random

    tool = tool_from_function(everything)
    for seed in range(30):
        assert validate(sample_value(tool.parameters, random.Random(seed)), tool.parameters) == []
    good = sample_value(tool.parameters, random.Random(0))
    for change in ({"mode": "dim"}, {"count": 9}, {"place": {}}, {"unknown": 1}, {"tree": {"children": [1]}}):
        assert validate(good | change, tool.parameters), change


def test_signature() -> None:
    assert signature_of(tool_from_function(google)) == "google(room: string, level?: integer = 50)"


def only(a: int, /) -> None: ...


def strange(a: pytest.MonkeyPatch) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"), [(only, "remove the '/'"), (strange, "cannot be written as JSON"), (lambda x: x, "no name")]
)
def test_what_cannot_be_a_tool_says_where(function: Any, words: str) -> None:
    with pytest.raises(ToolError, match=words) as error:
        tool_from_function(function)
    assert "test_python.py:" in str(error.value)


def test_variadic() -> None:
    def f(a: int, *rest: int, **more: str) -> None: ...

    parameters = tool_from_function(f).parameters
    assert list(parameters["properties"]) == ["a"]
    assert parameters["additionalProperties"] == {"type": "string"}


SOURCE = '''
from dataclasses import dataclass
import helper_beside

__version__ = "1"

@dataclass
class Thing:
    name: str

def second(thing: Thing) -> None:
    """Second."""

def _private() -> None: ...

def first(n: int = helper_beside.DEFAULT) -> None:
    """First."""
'''


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "helper_beside.py").write_text("DEFAULT = 7\n")
    (tmp_path / "mytools.py").write_text(SOURCE)
    return tmp_path / "mytools.py"


def test_a_file_gives_its_public_functions_in_source_order(module: Path) -> None:
    tools = load_tools(str(module))
    assert [tool.name for tool in tools] == ["second", "first"]
    assert tools[1].parameters["properties"]["n"]["default"] == 7
    assert [tool.name for tool in load_tools(f"{module}:first")] == ["first"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("mytools.py:frist", "did you mean 'first'"),
        ("mytool.py", "did you mean 'mytools.py'"),
        ("no_such_module_at_all", "no such module"),
        ("tools.txt?", "not a source of tools"),
    ],
)
def test_wrong_sources(module: Path, spec: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(module.parent)
    with pytest.raises(ToolError, match=words):
        load_tools(spec)


@pytest.mark.parametrize(("text", "line"), [("def f(:\n", 1), ("x = 1\nraise ValueError('boo')\n", 2)])
def test_a_file_that_does_not_run_says_where(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(ToolError, match=rf"broken\.py:{line}: cannot be loaded"):
        load_tools(str(tmp_path / "broken.py"))


@pytest.mark.parametrize(
    "content",
    [
        '[{"name": "f", "description": "d", "parameters": '
        '{"type": "object", "properties": {"a": {"type": "string"}}}}]',
        '[{"type": "function", "function": {"name": "f", "description": "d", "parameters": '
        '{"type": "object", "properties": {"a": {"type": "string"}}}}}]',
    ],
    ids=["bare", "wrapped"],
)
def test_json_files(tmp_path: Path, content: str) -> None:
    (tmp_path / "tools.json").write_text(content)
    (tool,) = load_tools(str(tmp_path / "tools.json"))
    assert (tool.name, tool.parameters["properties"]) == ("f", {"a": {"type": "string"}})


def test_two_tools_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text('[{"name": "f"}, {"name": "f"}]')
    with pytest.raises(ToolError, match="tools 1 and 2 are both named 'f'"):
        load_tools(str(tmp_path / "tools.json"))
