"""Every instruction has checks that an answer can pass, and that the answers to others do not."""

from __future__ import annotations

import pytest

from callwright.score.instructions import CHECKS, Instruction, broken_checks, instructions

PASSES = {
    "words": (3, ["I am fine", "It's rather-good, thanks!"], ["fine", "I am very fine", ""]),
    "most_words": (2, ["one two", "one."], ["one two three", "...", ""]),
    "least_words": (2, ["one two", "one two three"], ["one", ""]),
    "sentences": (2, ["One. Two!", "One is here... Two"], ["One.", "One. Two. Three."]),
    "lines": (2, ["a\nb", "a\n\nb\n"], ["a", "a\nb\nc"]),
    "bullets": (2, ["- a\n- b", "* a\n• b"], ["- a", "a\nb", "- a\n- b\n- c", "Here:\n- a\n- b"]),
    "numbered": (2, ["1. a\n2. b", "1) a\n2) b"], ["1. a\n1. b", "a\nb", "1. a\n2. b\n3. c"]),
    "commas": (2, ["a, b", "a,b"], ["a", "a, b, c"]),
    "has": (["cat", "red"], ["The red CAT."], ["The red cats.", "cat"]),
    "lacks": (["dog", ","], ["A cat."], ["A dog.", "a, b"]),
    "starts": ("first", ["First, boil it."], ["Boil it first.", "Firstly"]),
    "ends": ("tea", ["I like tea.", "TEA"], ["tea is good", "teas"]),
    "only": ("1,2", ["1, 2", "1,2.", '"1,2"'], ["Here: 1, 2", "1 2"]),
    "one_of": (["yes", "no"], ["Yes.", "no"], ["Yes, it is", "maybe"]),
    "case": ("upper", ["A CAT!"], ["A Cat!"]),
    "quoted": (True, ['"Honey."', "“Honey”"], ["Honey", '"Honey" is it']),
    "json": (["a"], ['{"a": 1, "b": 2}', '```json\n{"a": 1}\n```'], ['{"b": 1}', "[1]", 'Here: {"a": 1}', "{"]),
    "json_list": (2, ["[1, 2]"], ["[1]", "1, 2", '{"a": 1}']),
}


@pytest.mark.parametrize("name", CHECKS)
def test_each_check_passes_and_fails(name: str) -> None:
    wanted, good, bad = PASSES[name]
    asked = Instruction("", {name: wanted})
    assert [text for text in good if broken_checks(asked, text)] == []
    assert [text for text in bad if not broken_checks(asked, text)] == []


def test_the_set_is_sixty_and_uses_every_check() -> None:
    found = instructions()
    assert len(found) == len({one.ask for one in found}) == 60
    assert {name for one in found for name in one.checks} == set(CHECKS)
    # what says nothing, and what says anything, follows none of them by chance alone
    for text in (
        "",
        "I am a helpful assistant, and I can help you with many things. What would you like to know today?",
    ):
        assert sum(not broken_checks(one, text) for one in found) <= 6


def test_a_row_ends_with_the_turn_that_is_due() -> None:
    row = instructions()[0].row
    assert [message.role for message in row.messages] == ["user", "assistant"]
    assert row.tools == ()
