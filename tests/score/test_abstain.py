"""Call or not: what counts as restraint, and what never does."""

from __future__ import annotations

import pytest

from callwright.score.abstain import abstained_when_due, called_when_due
from callwright.types import BrokenCall, Ending, Reply, ToolCall

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
