"""Which numbers and names of an answer nobody gave."""

from __future__ import annotations

import pytest

from callwright.score.faithful import Known, absent, claims, invented, passed_on, told_of

REQUEST = "What's the weather in Oslo on Saturday?"
RESULT = '{"city": "Oslo", "date": "2026-03-14", "degrees": 21.56, "rain": 0.25, "at": "19:30", "hours": [1, 2, 3]}'


@pytest.mark.parametrize(
    "answer",
    [
        "It will be 21.56 degrees in Oslo.",
        "It will be about 22 degrees, 21.6 to be exact.",
        "There is a 25% chance of rain, or 25 percent.",
        "On Saturday, March 14, from 7:30 PM.",
        "I looked: three hours are dry in Oslo's centre.",
        "1. Oslo is warm.\n2. Rain is unlikely.",
        "Tomorrow looks fine. Nothing else to say!",
    ],
)
def test_what_follows_from_results_is_no_invention(answer: str) -> None:
    assert invented(answer, Known((REQUEST, RESULT))) == []


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("It will be 23 degrees in Oslo.", ["23"]),
        ("It will be 21.7 degrees.", ["21.7"]),
        ("The best day in Bergen is Sunday.", ["Bergen", "Sunday"]),
        ("It rains for nine hours.", ["nine"]),
        ("It rains for twenty-five hours.", ["twenty five"]),
        ("That is $1,250.50 for the NSB train.", ["1,250.50", "NSB"]),
        ("A 35% chance.", ["35"]),
    ],
)
def test_what_nobody_gave_is_named(answer: str, found: list[str]) -> None:
    assert invented(answer, Known((REQUEST, RESULT))) == found


def test_a_word_that_begins_a_sentence_is_no_name() -> None:
    assert claims("Done. Lights are off.\n- Kitchen: dark") == []


def test_results_are_passed_on_by_what_is_new_in_them() -> None:
    assert passed_on([RESULT], [REQUEST], ["21.6 degrees"])
    assert passed_on(['{"id": "FL9", "name": "Lufthansa"}'], ["a flight"], ["book it with Lufthansa"])
    assert passed_on([RESULT], [REQUEST], ["It is fine in Oslo."]) is False
    assert passed_on(['{"ok": true}'], [REQUEST], ["Done."]) is None
    assert passed_on(["Oslo"], [REQUEST], ["Done."]) is None, "the request says it already"


def test_values_that_an_answer_must_hold() -> None:
    assert absent([21.5, "Oslo", 3], "In oslo it is 21.5 for three hours") == []
    assert absent([21.5, "Oslo"], "In Bergen it is 21") == ["21.5", "Oslo"]
    assert told_of("It is 21.56 in Oslo, at 99.", [RESULT], [REQUEST]) == [21.56]
