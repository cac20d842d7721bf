"""What calls show of their tools, against counts made by hand and against a second way to count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callwright.data.coverage import Coverage, Share
from callwright.types import Conversation, JsonObject, Message, Tool, ToolCall


def tool(name: str, properties: JsonObject, *required: str) -> Tool:
    return Tool(name, "", {"type": "object", "properties": properties, "required": list(required)})


LIGHT = tool(
    "light",
    {
        "room": {"type": "string"},
        "mode": {"enum": ["on", "off"]},
        "days": {"type": "array", "items": {"enum": [1, 2, 3]}},
    },
    "room",
)
ALARM = tool("alarm", {"at": {"type": "string"}}, "at")


def row(*calls: ToolCall) -> Conversation:
    return Conversation("r", (LIGHT, ALARM), (Message("user", "x"), Message("assistant", "", calls)))


def test_gaps_name_what_no_call_shows() -> None:
    seen = Coverage.of(
        [LIGHT, ALARM], [row(ToolCall("light", {"room": "hall", "mode": "on", "days": [1, 2]}), ToolCall("lamp", {}))]
    )
    assert seen.gaps() == [
        "light.mode is never left out",
        'light.mode is never "off"',
        "light.days is never left out",
        "light.days is never 3",
        "alarm is never called",
    ]
    seen.add(ToolCall("light", {"room": "hall"}))
    seen.add(ToolCall("light", {"mode": "off", "days": [3.0]}))
    seen.add(ToolCall("alarm", {}))
    assert seen.gaps() == ["alarm.at is never given"]
    assert seen.calls["lamp"] == 1
    totals = seen.totals()
    assert (totals.tools, totals.parameters) == (Share(2, 2), Share(3, 4))
    assert (totals.optional_given, totals.optional_left_out, totals.enum_values) == (
        Share(2, 2),
        Share(2, 2),
        Share(5, 5),
    )


def test_definitions_of_one_name_are_joined() -> None:
    seen = Coverage([LIGHT, tool("light", {"mode": {"enum": ["off", "dim"]}, "level": {}}, "mode")])
    assert list(seen.parameters["light"]) == ["room", "mode", "days", "level"]
    assert list(seen.parameters["light"]["mode"].enum.values()) == ["on", "off", "dim"]


def test_consts_in_branches_are_an_enum() -> None:
    branches: JsonObject = {"mode": {"anyOf": [{"const": "a"}, {"const": "b"}, {"type": "null"}]}}
    seen = Coverage([tool("f", branches, "mode")])
    seen.add(ToolCall("f", {"mode": "b"}))
    assert seen.gaps() == ['f.mode is never "a"']


def test_the_rarest_value() -> None:
    seen = Coverage([LIGHT])
    schema = LIGHT.parameters["properties"]["mode"]
    assert seen.rarest_value(LIGHT, "mode", schema) == "on"
    seen.add(ToolCall("light", {"mode": "on"}))
    assert seen.rarest_value(LIGHT, "mode", schema) == "off"


def test_true_is_not_one() -> None:
    seen = Coverage([tool("f", {"n": {"enum": [1, True]}})])
    seen.add(ToolCall("f", {"n": True}))
    assert "f.n is never 1" in seen.gaps() and "f.n is never true" not in seen.gaps()


arguments = st.fixed_dictionaries(
    {}, optional={"room": st.just("hall"), "mode": st.sampled_from(["on", "off", "odd"]), "days": st.just([1])}
)


@given(st.lists(arguments, max_size=8))
def test_every_call_counts_each_parameter_once(given_arguments: list[JsonObject]) -> None:
    seen = Coverage.of([LIGHT], [row(*(ToolCall("light", each) for each in given_arguments))])
    counted = seen.to_json()["light"]
    assert counted["calls"] == len(given_arguments)
    for name, parameter in counted["parameters"].items():
        assert parameter["given"] == sum(name in each for each in given_arguments)
        assert parameter["given"] + parameter["left_out"] == len(given_arguments)
    assert counted["parameters"]["mode"]["values"] == {
        f'"{value}"': sum(each.get("mode") == value for each in given_arguments) for value in ("on", "off")
    }
