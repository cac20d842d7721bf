"""Call or not: what counts as restraint, and what never does."""

from __future__ import annotations

import random

import pytest

from callwright.data.around import Around
from callwright.data.missing import drop_value, missing_words
from callwright.score.abstain import abstained_when_due, asked_when_missing, called_when_due
from callwright.types import BrokenCall, Conversation, Ending, Message, Reply, Tool, ToolCall

CALL = ToolCall("f", {"a": 1})
BROKEN = BrokenCall('{"name": "f", ', "unclosed brace at 0")


@pytest.mark.parametrize(
    "reply",
    [
        Reply("", broken=(BROKEN,)),
        Reply("words words words", ending=Ending.LENGTH),
        Reply("", ending=Ending.ERROR),
        Reply("", (CALL,)),
        Reply("", (CALL,), (BROKEN,), Ending.LENGTH),
    ],
)
def test_pitfall_11_unparseable_output_is_not_credited_as_abstention(reply: Reply) -> None:
    verdict = abstained_when_due(False, reply)
    assert verdict.value == 0.0
    assert verdict.why


def test_a_plain_answer_is_an_abstention_only_where_no_call_is_due() -> None:
    assert abstained_when_due(False, Reply("Hello.")).value == 1.0
    assert abstained_when_due(True, Reply("Hello.")).value is None
    assert called_when_due(True, Reply("Hello.")).value == 0.0
    assert called_when_due(False, Reply("Hello.")).value is None


def test_any_readable_call_is_calling_and_a_broken_one_is_not() -> None:
    assert called_when_due(True, Reply("", (ToolCall("other", {}),))).value == 1.0
    assert called_when_due(True, Reply("", (CALL,), (BROKEN,))).value == 1.0
    broken = called_when_due(True, Reply("", broken=(BROKEN,)))
    assert broken.value == 0.0
    assert broken.why == "broken call: unclosed brace at 0"


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        (Reply("Which playlist do you mean?"), 1.0),
        (Reply("Sure. Please tell me the playlist name."), 1.0),
        (Reply("Which one?"), 0.0),
        (Reply("I can't change a playlist."), 0.0),
        (Reply("Which playlist?", (CALL,)), 0.0),
        (Reply("Which playlist? " * 9, ending=Ending.LENGTH), 0.0),
        (Reply(""), 0.0),
    ],
)
def test_asking_is_a_question_for_what_is_missing_and_no_call(reply: Reply, value: float) -> None:
    assert asked_when_missing({"playlist", "name"}, reply).value == value
    assert asked_when_missing((), reply).value is None


@pytest.mark.parametrize("schema", [{"type": "string"}, {"enum": ["Wild Country", "Jazz"], "type": "string"}])
def test_every_question_that_training_shows_counts_as_asking(schema: dict) -> None:
    tool = Tool(
        "add", "Add a song.", {"type": "object", "properties": {"list_name": schema}, "required": ["list_name"]}
    )
    call = ToolCall("add", {"list_name": "Wild Country"})
    messages = (Message("user", "Add this song to Wild Country"), Message("assistant", "", (call,)))
    for seed in range(40):
        made = drop_value(Conversation("r", (tool,), messages), random.Random(seed), Around())
        assert made is not None
        assert asked_when_missing(missing_words(made), Reply(made.messages[1].text)).value == 1.0
