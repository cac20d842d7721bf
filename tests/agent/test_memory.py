"""Conversations of many calls in little room: what stays, and that calls and results stay together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callwright.agent.fake import ScriptedMind
from callwright.agent.loop import Agent, Budget
from callwright.agent.memory import Pruning, Whiteboard, fused, units
from callwright.agent.toolbox import Bound, Toolbox
from callwright.synth.execute import Result
from callwright.types import Conversation, Message, Reply, Tool, ToolCall

KINDS = st.lists(st.sampled_from(["user", "call", "calls", "say"]), max_size=40)


def conversation(kinds: list[str]) -> Conversation:
    messages = [Message("system", "rules")]
    for n, kind in enumerate(["user", *kinds, "user"]):
        if kind == "user":
            messages.append(Message("user", f"request {n}"))
        elif kind == "say":
            messages.append(Message("assistant", f"text {n}"))
        else:
            ids = [f"{n}_{i}" for i in range(1 if kind == "call" else 3)]
            messages.append(Message("assistant", "", tuple(ToolCall("f", {"n": n}, one) for one in ids)))
            messages += [Message("tool", f"result {one}", call_id=one, name="f") for one in ids]
    return Conversation("c", (), tuple(messages))


def length(one: Conversation) -> int:
    return ScriptedMind([]).tokens(one)


@given(KINDS, st.integers(0, 400), st.booleans())
def test_calls_and_results_stay_together(kinds: list[str], room: int, board: bool) -> None:
    whole = conversation(kinds)
    memory = Whiteboard() if board else Pruning()
    shown = memory.shown(whole, length, room)
    called = {call.id for message in shown.messages for call in message.calls}
    results = {message.call_id for message in shown.messages if message.role == "tool"}
    assert called == results
    assert shown.messages[-1] == whole.messages[-1]
    assert shown.messages[0].text.startswith("rules")
    if length(whole) <= room:
        assert shown == whole
    if not board:
        # in their own order, and none that was not there
        places = [whole.messages.index(message) for message in shown.messages]
        assert places == sorted(places)
        least = length(Conversation("c", (), (whole.messages[0], whole.messages[-1])))
        assert length(shown) <= max(room, least)


def test_what_the_request_speaks_of_is_kept() -> None:
    messages = [Message("user", "the code of the garage is 4711"), Message("assistant", "noted")]
    for n in range(30):
        messages += [Message("user", f"light number {n} on please"), Message("assistant", f"light {n} is on")]
    messages.append(Message("user", "what was the code of the garage"))
    shown = Pruning().shown(Conversation("c", (), tuple(messages)), length, 60)
    assert any("4711" in message.text for message in shown.messages)
    assert len(shown.messages) < 20


def test_another_ranking() -> None:
    whole = conversation(["say"] * 30)
    oldest = Pruning(recent=0, rank=lambda request, texts: [*range(len(texts))] * 2)
    assert length(oldest.shown(whole, length, 60)) <= 60


def test_ranks_are_joined() -> None:
    assert fused([[2, 0], [2, 1]])[0] == 2
    assert fused([]) == []


def test_units() -> None:
    assert [len(unit) for unit in units(conversation(["calls", "say"]).messages)] == [1, 1, 4, 1, 1]


def chain(memory: Pruning | Whiteboard | None, room: int) -> tuple[Agent, list[str]]:
    """Forty calls, each of which needs what the one before it gave."""
    tool = Tool("next", "n", {"type": "object", "properties": {"n": {"type": "integer"}}})

    def run(call: ToolCall, key: str) -> Result:
        return Result(f"{call.arguments['n'] + 1} {'x' * 200}")

    def reply(row: Conversation) -> Reply:
        last = next((m.text for m in reversed(row.messages) if m.role == "tool"), None)
        noted = row.messages[0].text.splitlines()[-1].partition("-> ")[2] if row.messages[0].role == "system" else ""
        known = last or noted
        n = int(known.split()[0]) if known else 0
        if row.messages[-1].role == "tool":
            return Reply(f"step {n}")
        return Reply("", (ToolCall("next", {"n": n}),))

    agent = Agent(
        ScriptedMind([reply]), Toolbox([Bound(tool, "read", run)]), budget=Budget(context=room), memory=memory
    )
    return agent, [agent.run(f"go on, {number}").why for number in range(40)]


def test_a_chain_of_forty_calls_in_little_room() -> None:
    for memory in (Pruning(), Whiteboard()):
        agent, ends = chain(memory, 500)
        assert ends == ["answered"] * 40
        assert agent.said[-1].text == "step 40"
    _, ends = chain(None, 500)
    assert ends[-1] == "context"
