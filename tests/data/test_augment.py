"""Augmentations: whatever the row, the result is as right as the row was."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.data.augment import Around, augmentations, augmented
from callwright.data.lint import lint
from callwright.errors import DataError
from callwright.schema import validate
from callwright.types import Conversation, Message, Tool, ToolCall


def tool(name: str, description: str, **properties: dict) -> Tool:
    required = [key for key, schema in properties.items() if not schema.pop("optional", False)]
    return Tool(name, description, {"type": "object", "properties": properties, "required": required})


BOOK = tool(
    "book_table",
    "Book a table at a restaurant. Call it once a restaurant is chosen.",
    place_name={"type": "string", "description": "The restaurant. Its full name."},
    party_size={"type": "integer", "description": "How many people."},
    seating={"type": "string", "enum": ["inside", "outside"], "optional": True},
)
CANCEL = tool("cancel_table", "Cancel a table at a restaurant.", booking={"type": "string"})
RESERVE = tool("reserve_restaurant", "Reserve a table.", restaurant={"type": "string"})
WEATHER = tool("get_weather", "Get the weather of a city.", city={"type": "string"})
LIGHTS = tool("lights_off", "Turn the lights off.", room={"type": "string", "optional": True})


def ask(name: str, text: str, *calls: ToolCall, tools: tuple[Tool, ...] = (WEATHER,)) -> Conversation:
    return Conversation(name, tools, (Message("user", text), Message("assistant", "", calls)))


ROW = ask(
    "r",
    "Book a table at Mario's for 4",
    ToolCall("book_table", {"place_name": "Mario's", "party_size": 4}),
    tools=(BOOK, WEATHER),
)
OTHER = ask("o", "How warm is Oslo?", ToolCall("get_weather", {"city": "Oslo"}))
AROUND = Around((CANCEL, WEATHER, BOOK, RESERVE, LIGHTS), (ROW, OTHER))


def every(name: str, row: Conversation = ROW, around: Around = AROUND, seeds: int = 12) -> list[Conversation]:
    made = [augmentations[name](row, random.Random(seed), around) for seed in range(seeds)]
    return [one for one in made if one is not None]


@pytest.mark.parametrize("name", augmentations)
@settings(max_examples=100, deadline=None)
@given(strategies.dialogues(), st.lists(strategies.dialogues(), max_size=2), st.integers(0, 1000))
def test_calls_fit_the_new_tools_as_they_fitted_the_old(
    name: str, row: Conversation, others: list[Conversation], seed: int
) -> None:
    around = Around(tuple({t.name: t for other in others for t in other.tools}.values()), others)
    made = augmentations[name](row, random.Random(seed), around)
    if made is None:
        return
    assert replace(made, id=row.id, provenance={}) != row and made.provenance["augmented"] == [name]
    assert made == augmentations[name](row, random.Random(seed), around), "the seed decides"
    assert not _new_problems(row, made, others)


def _new_problems(row: Conversation, made: Conversation, others: list[Conversation]) -> set[str]:
    """Kinds of errors that the row, and what it was joined with, did not have."""
    before = {problem.kind for each in (row, *others) for problem in lint(each)}
    return {problem.kind for problem in lint(made)} - before - {"role order"}


@pytest.mark.parametrize("name", augmentations)
def test_each_changes_a_row_that_offers_what_it_needs(name: str) -> None:
    found = every(name)
    assert found, name
    for row in found:
        declared = {t.name: t for t in row.tools}
        for message in row.messages:
            for call in message.calls:
                assert validate(call.arguments, declared[call.name].parameters) == []


def test_shuffled_tools_stand_in_another_order() -> None:
    assert all(made.tools == (WEATHER, BOOK) for made in every("shuffle_tools"))


@pytest.mark.parametrize("name", ["near_distractors", "random_distractors"])
def test_no_distractor_could_do_the_job(name: str) -> None:
    added = {t.name for made in every(name) for t in made.tools} - {t.name for t in ROW.tools}
    assert "cancel_table" in added, "another action on the same things is the distractor that teaches most"
    assert "reserve_restaurant" not in added


def test_what_the_data_call_for_such_a_request_is_no_distractor() -> None:
    shown = ask("s", "Book a table at Luigi's for 4", ToolCall("cancel_table", {"booking": "x"}), tools=(CANCEL,))
    around = Around((CANCEL, LIGHTS), (shown,))
    assert {t.name for made in every("near_distractors", around=around) for t in made.tools} == {
        "book_table",
        "get_weather",
        "lights_off",
    }


def test_a_row_without_calls_gets_no_distractor() -> None:
    refused = replace(OTHER, messages=(OTHER.messages[0], Message("assistant", "I can't do that.")), tools=(LIGHTS,))
    assert not every("near_distractors", refused) and not every("random_distractors", refused)
    later = replace(
        ROW,
        messages=(*ROW.messages, Message("tool", "ok", call_id="1"), *refused.messages),
        tools=(BOOK,),
    )
    found = every("random_distractors", later)
    assert found and not any(WEATHER in made.tools for made in found)


def test_withheld_tools_leave_a_refusal() -> None:
    found = every("withhold")
    for made in found:
        assert made.tools == (WEATHER,)
        assert made.messages[0] == ROW.messages[0] and made.messages[-1].calls == () and len(made.messages) == 2
    assert len({made.messages[-1].text for made in found}) > 3, "always the same words would be learned by heart"
    assert any("get the weather of a city" in made.messages[-1].text for made in found)


def test_what_could_do_the_job_goes_with_the_withheld_tool() -> None:
    found = every("withhold", replace(ROW, tools=(BOOK, RESERVE, CANCEL, LIGHTS)))
    assert found and all(made.tools == (LIGHTS,) for made in found)
    assert not every("withhold", replace(ROW, tools=(BOOK,)))
    assert not every("withhold", replace(ROW, tools=(BOOK, RESERVE)))
    shown = ask("s", "Please book a table at Mario's for 4", ToolCall("get_weather", {"city": "Oslo"}))
    assert not every("withhold", around=Around((), (shown,))), "the data call it for such a request"


def test_nothing_is_withheld_that_was_spoken_of() -> None:
    told = Message("system", "Use book_table for tables.")
    assert not every("withhold", replace(ROW, messages=(told, *ROW.messages)))
    begun = (Message("user", "A table please"), Message("assistant", "Where?"), *ROW.messages)
    assert not every("withhold", replace(ROW, messages=begun))


CITY = {"city": {"type": "string"}}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("What is the weather in Oslo today?", "What is the weather today?"),
        ("Tell me the weather for the city of Oslo.", "Tell me the weather."),
        ('Tell me the weather for the city with the name "Oslo", please.', "Tell me the weather for the city, please."),
        ('Tell me the weather of the city "Oslo".', "Tell me the weather."),
        ('Show me the old town "Oslo" with snow', "Show me the old town with snow"),
        ("What is the weather in Oslo, Norway?", None),
        ("How is the weather between Oslo and Bergen?", None),
        ("Weather in Oslo or what they call Oslo now?", None),
        ("Does the weather in Oslo suit an Osloer?", None),
        ("Is the Oslo weather good?", None),
        ("Weather in Oslo", None),
        ("Is it cold, based in Oslo as I am?", None),
    ],
)
def test_a_value_goes_with_its_whole_phrase_or_not_at_all(text: str, left: str | None) -> None:
    row = ask("w", text, ToolCall("get_weather", {"city": "Oslo"}))
    found = every("drop_value", row)
    assert {made.messages[0].text for made in found} == ({left} if left else set())
    for made in found:
        assert "city" in made.messages[1].text and not made.messages[1].calls
        assert made.provenance["missing"] == {"tool": "get_weather", "parameter": "city"}


def test_only_what_must_be_known_is_asked_for() -> None:
    assert {(made.messages[0].text, made.provenance["missing"]["parameter"]) for made in every("drop_value")} == {
        ("Book a table for 4", "place_name"),
        ("Book a table at Mario's", "party_size"),
    }
    for schema in ({"default": "Oslo"}, {"description": "Defaults to where the user is."}, {"optional": True}):
        known = tool("get_weather", "The weather.", city={"type": "string", **schema})
        row = ask("w", "Show the weather in Oslo", ToolCall("get_weather", {"city": "Oslo"}), tools=(known,))
        assert not every("drop_value", row)
    guessed = ask("w", "Show the weather in here", ToolCall("get_weather", {"city": "here"}))
    assert not every("drop_value", guessed)
    unsaid = replace(ROW, messages=(replace(ROW.messages[0], text="Book a table at Mario's for four"), ROW.messages[1]))
    assert not every("drop_value", unsaid), "two questions would be due"


def test_choices_are_named() -> None:
    mode = tool("set_mode", "Set the heating mode.", mode={"type": "string", "enum": ["eco", "warm", "off"]})
    row = ask("m", "Set the heating to eco", ToolCall("set_mode", {"mode": "eco"}), tools=(mode,))
    found = every("drop_value", row)
    assert found and all("eco, warm or off" in made.messages[1].text for made in found)


def test_renaming_is_consistent_and_leaves_rows_alone_that_speak_of_the_name() -> None:
    spoken_of = replace(BOOK, description="Book a table at place_name. See get_weather first.")
    for made in every("rename", replace(ROW, tools=(spoken_of, WEATHER))):
        (call,) = made.messages[1].calls
        new, weather = made.tools
        assert call.name == new.name
        assert list(call.arguments.values()) == ["Mario's", 4]
        assert set(new.parameters["required"]) == set(call.arguments) <= set(new.parameters["properties"])
        place = next(iter(new.parameters["properties"]))
        assert new.description == f"Book a table at {place}. See {weather.name} first."
    for text in ("use book_table", "set party_size to 4"):
        assert not every("rename", replace(ROW, messages=(Message("user", text), ROW.messages[1])))


def test_names_that_fall_together_are_not_renamed() -> None:
    twins = (replace(WEATHER, name="get_weather"), replace(WEATHER, name="getWeather"))
    assert not every("rename", replace(OTHER, tools=twins))
    same = tool("f_g", "", party_size={"type": "integer"}, partySize={"type": "integer"})
    assert not every("rename", ask("s", "x", ToolCall("f_g", {"party_size": 1, "partySize": 2}), tools=(same,)))


def test_a_description_stays_where_it_tells_the_format_of_a_value() -> None:
    dated = tool(
        "free_rooms",
        "Find free rooms. In one hotel.",
        day={"type": "string", "description": "The day. As YYYY-MM-DD."},
        city={"type": "string", "description": "The city. Any (e.g. St. Ives. Or Oslo)."},
    )
    call = ToolCall("free_rooms", {"day": "2024-05-01", "city": "Oslo"})
    row = ask("d", "Rooms in Oslo on the first of May 2024", call, tools=(dated,))
    for kind, city in (("drop_descriptions", None), ("shorten_descriptions", "The city.")):
        made = every(kind, row)[0].tools[0].parameters["properties"]
        assert made["day"]["description"] == "The day. As YYYY-MM-DD."
        assert made["city"].get("description") == city


def test_two_requests_are_joined_with_the_calls_in_order() -> None:
    for made in every("join"):
        assert [call.name for call in made.messages[1].calls] == ["book_table", "get_weather"]
        text = made.messages[0].text
        assert text.startswith("Book a table at Mario's for 4") and text.casefold().endswith("how warm is oslo?")
        assert " and " not in text, "4 ends the first: 'for 4 and how warm' would go on"
        assert {t.name for t in made.tools} == {"book_table", "get_weather"}


AGAIN = ask("b", "At Mario's", ToolCall("book_table", {"place_name": "Mario's", "party_size": 4}), tools=(BOOK,))


@pytest.mark.parametrize(
    "second",
    [
        ask("b", "Is it cold there?", ToolCall("get_weather", {"city": "Oslo"})),
        AGAIN,
        ask("b", "Off with the lights", ToolCall("lights_off", {}), tools=(LIGHTS, RESERVE)),
        replace(OTHER, tools=(replace(WEATHER, description=""),)),
    ],
    ids=["points back", "the same call", "brings a tool that could do the first", "another tool of the same name"],
)
def test_requests_that_depend_on_one_another_are_not_joined(second: Conversation) -> None:
    assert not every("join", around=Around((), (ROW, second)))


def test_a_value_keeps_its_capital_when_it_is_joined() -> None:
    lower = ask("a", "switch all off", ToolCall("lights_off", {}), tools=(LIGHTS,))
    city = ask("b", "Oslo weather please", ToolCall("get_weather", {"city": "Oslo"}))
    assert all("Oslo weather" in made.messages[0].text for made in every("join", lower, Around((), (city,))))


def test_kinds_share_the_copies_and_others_make_up_for_what_one_cannot_do() -> None:
    rows = [replace(ROW, id=f"r{i}") for i in range(20)]
    made, counts = augmented(rows, ["withhold", "drop_value"], 0.5, random.Random(0))
    assert counts == {"withhold": 5, "drop_value": 5} and len({row.id for row in made}) == 10
    assert (made, counts) == augmented(rows, ["withhold", "drop_value"], 0.5, random.Random(0))
    alone = [replace(row, tools=(BOOK,)) for row in rows]
    assert augmented(alone, ["withhold", "drop_value"], 0.5, random.Random(0))[1] == {"withhold": 0, "drop_value": 10}
    assert augmented(rows, ["drop_value"], 2, random.Random(0))[1] == {"drop_value": 40}
    assert augmented([], ["drop_value"], 2, random.Random(0)) == ([], {"drop_value": 0})


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(DataError, match="unknown kind 'withold'; did you mean 'withhold'"):
        augmented([ROW], ["withold"], 1, random.Random(0))


def test_a_function_that_is_called_undeclared_is_no_distractor() -> None:
    ring, knock = (Tool(name, name, {"type": "object", "properties": {}}) for name in ("ring", "knock"))
    calls = (ToolCall("ring", {}), ToolCall("knock", {"door": 1}))
    row = Conversation("1", (ring,), (Message("user", "ring, knock"), Message("assistant", "", calls)))
    assert augmentations["random_distractors"](row, random.Random(0), Around((knock,), ())) is None
