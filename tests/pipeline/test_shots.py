"""Worked examples before a row: the same for the same tools, of tools that it has, and none that is scored."""

from __future__ import annotations

from callwright.dialects.hermes import hermes
from callwright.pipeline.shots import with_shots
from callwright.types import Conversation, Message, Tool, ToolCall

TOOLS = tuple(Tool(name, f"{name}.", {"type": "object", "properties": {}}) for name in ("a", "b", "c"))


def row(said: str, *calls: str, tools: tuple[Tool, ...] = TOOLS, system: str = "") -> Conversation:
    head = (Message("system", system),) if system else ()
    answer = Message("assistant", "" if calls else "No.", tuple(ToolCall(name, {}) for name in calls))
    return Conversation(said, tools, (*head, Message("user", said), answer))


def shown(asked: Conversation) -> list[str]:
    return [message.text for message in asked.messages if message.role == "user"][:-1]


POOL = [
    *(row(f"please do a now {n}", "a") for n in range(5)),
    row("please do b now", "b"),
    row("please do d now", "d", tools=(*TOOLS, Tool("d", "d.", {}))),
    row("what is love anyway"),
    row("no tool of yours does this", tools=TOOLS[:1]),
]


def test_every_tool_is_shown_before_one_is_shown_twice() -> None:
    (found,) = with_shots([row("and now mine", "c", system="S")], POOL, 3, 0)
    assert found.messages[0].text == "S"
    called = {call.name for message in found.messages[1:-2] for call in message.calls}
    assert called == {"a", "b"}
    assert "what is love anyway" in shown(found)
    assert found.messages[-2:] == row("and now mine", "c").messages
    assert len(shown(with_shots([row("and now mine", "c")], POOL, 100, 0)[0])) == 7


def test_calls_have_results_so_that_any_template_holds_them() -> None:
    (found,) = with_shots([row("and now mine", "c")], POOL, 2, 0)
    roles = [message.role for message in found.messages]
    assert roles.count("tool") == sum(len(message.calls) for message in found.messages[:-1])
    assert all(message.call_id for message in found.messages if message.role == "tool")
    assert "and now mine" in "".join(piece.text for piece in hermes().segments(found))


def test_rows_with_the_same_tools_share_what_is_shown() -> None:
    first, second, other = with_shots(
        [row("and now mine", "c"), row("something else now", "a"), row("of one tool only", "a", tools=TOOLS[:1])],
        POOL,
        4,
        0,
    )
    assert first.messages[:-2] == second.messages[:-2]
    assert "please do b now" not in shown(other)
    assert "no tool of yours does this" in shown(other)
    again = with_shots([row("and now mine", "c")], POOL, 4, 1)[0]
    assert again.messages[:-2] != first.messages[:-2]


def test_what_is_scored_is_never_shown() -> None:
    (found,) = with_shots([row("Please do B now!", "b")], POOL, 9, 0)
    assert "please do b now" not in shown(found)


def test_without_a_fit_nothing_is_shown() -> None:
    asked = row("x y z", "z", tools=(Tool("z", "z.", {}),))
    assert with_shots([asked], POOL, 3, 0) == [asked]
