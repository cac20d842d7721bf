"""Augmentations: whatever the row, the result is as right as the row was."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from callwright.data.augment import Around, augmentations
from callwright.data.lint import lint
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
WEATHER = tool("get_weather", "The weather of a city.", city={"type": "string"})
ROW = Conversation(
    "r",
    (BOOK, WEATHER),
    (
        Message("user", "Book a table at Mario's for 4"),
        Message("assistant", "", (ToolCall("book_table", {"place_name": "Mario's", "party_size": 4}),)),
    ),
)
OTHER = Conversation(
    "o",
    (WEATHER,),
    (Message("user", "How warm is Oslo?"), Message("assistant", "", (ToolCall("get_weather", {"city": "Oslo"}),))),
)
AROUND = Around((CANCEL, WEATHER, BOOK), (ROW, OTHER))


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
    assert made != row and made.provenance["augmented"] == [name]
    assert made == replace(augmentations[name](row, random.Random(seed), around), id=made.id), "the seed decides"
    assert not _new_problems(row, made, others)


def _new_problems(row: Conversation, made: Conversation, others: list[Conversation]) -> set[str]:
    """Kinds of errors that the row, and what it was joined with, did not have."""
    before = {problem.kind for each in (row, *others) for problem in lint(each)}
    return {problem.kind for problem in lint(made)} - before - {"role order"}


@pytest.mark.parametrize("name", augmentations)
def test_each_changes_a_row_that_offers_what_it_needs(name: str) -> None:
    made = [augmentations[name](ROW, random.Random(seed), AROUND) for seed in range(8)]
    found = [row for row in made if row is not None]
    assert found, name
    for row in found:
        declared = {t.name: t for t in row.tools}
        for message in row.messages:
            for call in message.calls:
                assert validate(call.arguments, declared[call.name].parameters) == []


def run(name: str, row: Conversation = ROW, seed: int = 0) -> Conversation:
    made = augmentations[name](row, random.Random(seed), AROUND)
    assert made is not None
    return made


def test_withheld_tools_leave_a_refusal() -> None:
    made = run("withhold")
    assert made.tools == (WEATHER,)
    assert made.messages[-1].calls == () and made.messages[-1].text
    assert augmentations["withhold"](replace(ROW, tools=(BOOK,)), random.Random(0), AROUND) is None


def test_a_dropped_value_becomes_a_question_for_it() -> None:
    requests = {
        run("drop_value", seed=seed).messages[0].text: run("drop_value", seed=seed).messages[1].text
        for seed in range(8)
    }
    assert requests == {
        "Book a table for 4": "Which place name do you mean?",
        "Book a table at Mario's": "Which party size do you mean?",
    }


def test_a_value_that_stands_twice_is_not_dropped() -> None:
    row = replace(ROW, messages=(Message("user", "4 of us, table at Mario's Mario's, for 4"), ROW.messages[1]))
    assert augmentations["drop_value"](row, random.Random(0), AROUND) is None


def test_renaming_is_consistent_and_leaves_rows_alone_that_speak_of_the_name() -> None:
    made = run("rename", seed=1)
    (call,) = made.messages[1].calls
    assert call.name == made.tools[0].name != "book_table"
    assert list(call.arguments.values()) == ["Mario's", 4]
    assert set(call.arguments) <= set(made.tools[0].parameters["properties"])
    spoken = replace(ROW, messages=(Message("user", "use book_table"), ROW.messages[1]))
    assert augmentations["rename"](spoken, random.Random(1), AROUND) is None


def test_two_requests_are_joined_with_the_calls_in_order() -> None:
    made = run("join")
    assert [call.name for call in made.messages[1].calls] == ["book_table", "get_weather"]
    text = made.messages[0].text
    assert text.startswith("Book a table at Mario's for 4") and text.casefold().endswith("how warm is oslo?")
    assert {t.name for t in made.tools} == {"book_table", "get_weather"}


def test_near_distractors_are_near() -> None:
    assert {t.name for t in run("near_distractors").tools} == {"book_table", "get_weather", "cancel_table"}
