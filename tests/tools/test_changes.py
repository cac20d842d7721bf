"""What is wrong with tools, what changed between two versions of them, and rows that follow the change."""

from __future__ import annotations

from callwright.data.migrate import Migration
from callwright.tools.diff import diff_tools
from callwright.tools.lint import lint_tools
from callwright.types import Conversation, Message, Tool, ToolCall


def tool(called: str, description: str, required: list[str] | None = None, **properties: dict) -> Tool:
    parameters = {"type": "object", "properties": properties}
    return Tool(called, description, {**parameters, "required": required} if required else parameters)


GOOD = tool(
    "get_weather",
    "The weather of a city now, for questions about rain and warmth.",
    ["city"],
    city={"type": "string", "description": "Where."},
)


def kinds(*tools: Tool) -> set[tuple[str, str, str]]:
    return {(problem.tool, problem.parameter, problem.kind) for problem in lint_tools(tools)}


def test_a_good_tool_has_no_warning() -> None:
    assert kinds(GOOD) == set()


def test_warnings() -> None:
    bad = tool(
        "get-Data v2",
        "Gets the data.",
        None,
        q={"type": "string"},
        mode={"type": "string", "description": "One of: fast, slow."},
        any={"description": "Some thing of use."},
        items={"type": "array", "description": "What to buy."},
        name={"type": "string", "description": "the name"},
    )
    assert {(parameter, kind) for _, parameter, kind in kinds(bad)} == {
        ("", "name"),
        ("", "vague description"),
        ("q", "no description"),
        ("mode", "choices in prose"),
        ("any", "no type"),
        ("items", "no type"),
        ("name", "vague description"),
    }
    assert ("f", "", "no description") in kinds(tool("f", ""))


def test_pairs_that_are_nearly_the_same() -> None:
    written = tool(
        "getWeather", "Another thing altogether for wind.", ["city"], city={"type": "string", "description": "Where."}
    )
    worded = tool(
        "weather_now",
        "The weather of a city now, for questions of rain and warmth.",
        None,
        city={"type": "string", "description": "Where."},
    )
    found = lint_tools([GOOD, written, worded])
    assert [(p.tool, p.kind) for p in found] == [("getWeather", "near-duplicate"), ("weather_now", "near-duplicate")]


OLD = [
    tool(
        "get_weather",
        "The weather of a city.",
        ["city"],
        city={"type": "string", "description": "Where."},
        days={"type": "integer"},
    ),
    tool("set_alarm", "Wake the user at a time of day.", ["time"], time={"type": "string"}),
    tool("play", "Play a song.", ["song"], song={"type": "string"}, mode={"type": "string", "enum": ["once", "loop"]}),
]
NEW = [
    tool(
        "fetch_weather",
        "The weather of a city.",
        ["city_name", "unit"],
        city_name={"type": "string", "description": "Where."},
        days={"type": "number"},
        unit={"type": "string", "enum": ["c", "f"], "default": "c"},
    ),
    tool("play", "Play a song.", ["song"], song={"type": "string"}, mode={"type": "string", "enum": ["once"]}),
    tool("stop", "Stop the music."),
]


def test_changes_with_what_breaks() -> None:
    found = [(c.tool, c.what, c.parameter, c.breaks) for c in diff_tools(OLD, NEW)]
    assert found == [
        ("get_weather", "tool renamed", "", True),
        ("get_weather", "parameter renamed", "city", True),
        ("get_weather", "type changed", "days", False),
        ("get_weather", "required parameter added", "unit", True),
        ("set_alarm", "tool removed", "", True),
        ("play", "enum changed", "mode", True),
        ("stop", "tool added", "", False),
    ]
    assert diff_tools(OLD, OLD) == []


def migrated(*calls: ToolCall) -> tuple[Conversation, tuple[str, ...], tuple[str, ...]]:
    row = Conversation("r", tuple(OLD), (Message("user", "x"), Message("assistant", "", calls)))
    done = Migration.between(OLD, NEW).migrate(row)
    return done.row, done.repaired, done.broken


def test_renames_and_defaults_are_applied() -> None:
    row, repaired, broken = migrated(ToolCall("get_weather", {"city": "Oslo", "days": 2}))
    assert row.messages[1].calls == (ToolCall("fetch_weather", {"city_name": "Oslo", "days": 2, "unit": "c"}),)
    assert [t.name for t in row.tools] == ["fetch_weather", "play"]
    assert len(repaired) == 3 and broken == ()


def test_what_cannot_be_repaired_is_named() -> None:
    assert "no longer there" in migrated(ToolCall("set_alarm", {"time": "7"}))[2][0]
    assert "loop" in migrated(ToolCall("play", {"song": "x", "mode": "loop"}))[2][0]
    assert migrated(ToolCall("play", {"song": "x"}))[1:] == ((), ())
