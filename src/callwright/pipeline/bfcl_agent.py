"""Multi-turn rows of the leaderboard through the agent's loop -> plays that its judge takes, as `bfcl_turns` plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from callwright.agent.loop import Agent, Budget, Mind, Replied
from callwright.agent.policy import Policy
from callwright.agent.results import Fence
from callwright.agent.toolbox import Bound, Toolbox
from callwright.data.fields import Fields
from callwright.generate.reply import Options
from callwright.scale.apart import Ended
from callwright.score.bfcl import Entry
from callwright.score.bfcl_turns import MOST_STEPS, Backends, Play, begin, call_text, next_turn
from callwright.synth.execute import Result
from callwright.types import Ending, Reply, Tool, ToolCall

_FREE = Budget(steps=MOST_STEPS + 1, seconds=3600.0, tokens=1 << 20, context=1 << 20, repeats=1 << 20)


def play_by_agent(entry: Entry, mind: Mind, backends: Backends, options: Options) -> Play:
    """One row, every tool let run; results are shown as they come, uncut.

    Two things are the agent's: a call that its tool's schema does not admit is told so by the policy, not by the back
    end, and calls of a reply that was cut are not run.
    """
    play = begin(entry, Fields())
    agent = Agent(mind, Toolbox([]), Policy(), _FREE, session=entry.id, fence=Fence(frozenset(), 1 << 30))
    agent.options = options
    while not play.over:
        agent.tools = _box(play, play.conversation.tools, backends)
        agent.said = play.conversation.messages
        try:
            for event in agent.go_on():
                if isinstance(event, Replied):
                    _record(play, event.reply)
                last = event
        except Ended as why:
            play.ended = f"limits: {why}"
            return play
        play.conversation = replace(play.conversation, messages=agent.said)
        if getattr(last, "why", "") == "steps":
            play.ended = f"more than {MOST_STEPS} steps in turn {len(play.turns)}"
            return play
        next_turn(play, Fields())
    return play


def _record(play: Play, reply: Reply) -> None:
    """What the judge reads."""
    calls = [{"name": call.name, "arguments": call.arguments} for call in reply.calls]
    play.replies[-1].append({"raw": "", "calls": calls, "ending": reply.ending.value})
    play.unread |= bool(reply.broken) or reply.ending is Ending.ERROR
    play.whole &= not reply.broken and reply.ending is Ending.STOP
    if reply.calls and not reply.broken:
        play.turns[-1].append([call_text(call, play.known) for call in reply.calls])


def _box(play: Play, tools: Sequence[Tool], backends: Backends) -> Toolbox:
    """The row's functions over its back ends, which are asked from the row's beginning every time."""
    before = [step for turn in play.turns for step in turn]

    def run(call: ToolCall, key: str) -> Result:
        before.append([call_text(call, play.known)])
        return Result(backends.results(play.entry, before)[0])

    return Toolbox([Bound(tool, "read", run) for tool in tools])
