"""Multi-turn rows of the leaderboard: the agent's loop and the evaluation's own driver come to the same."""

from __future__ import annotations

import os
import random
from collections import deque
from collections.abc import Iterator, Sequence

import pytest

from callwright.agent.fake import ScriptedMind
from callwright.data.fields import Fields
from callwright.data.sources import bfcl_installed
from callwright.generate.reply import Answer, Options, Prompt
from callwright.pipeline.bfcl_agent import play_by_agent
from callwright.score.bfcl import GROUPS, Entry, entries
from callwright.score.bfcl_gold import gold_steps
from callwright.score.bfcl_turns import Backends, judge_play, play
from callwright.types import BrokenCall, Reply, ToolCall

pytest.importorskip("mpmath", reason="the leaderboard's calculator needs it: pip install mpmath")
pytestmark = pytest.mark.skipif(not bfcl_installed(), reason="run: pip install --no-deps bfcl-eval==2026.3.23")
# all rows: CALLWRIGHT_BFCL_EVERY=1 pytest tests/agent/test_bfcl_agent.py
STEP = int(os.environ.get("CALLWRIGHT_BFCL_EVERY", "40"))


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    with Backends() as found:
        yield found


def replies_of(entry: Entry, kind: str) -> list[Reply]:
    """The gold calls, whole or with something wrong in them."""
    rng = random.Random(f"{kind} {entry.id}")
    found = []
    for turn in gold_steps(entry):
        if turn:
            calls = list(turn)
            if kind == "changed" and rng.random() < 0.5:
                calls.pop(rng.randrange(len(calls)))
            if kind == "renamed" and rng.random() < 0.5:
                calls[0] = ToolCall(f"{calls[0].name}_2", calls[0].arguments)
            if kind == "one by one":
                found += [Reply("", (call,)) for call in calls]
            elif kind == "broken" and rng.random() < 0.3:
                found.append(Reply("", (), (BrokenCall("{", "unclosed"),)))
                continue
            elif calls:
                found.append(Reply("", tuple(calls)))
        found.append(Reply("Done."))
    return found


@pytest.mark.parametrize("kind", ["gold", "one by one", "changed", "renamed", "broken"])
@pytest.mark.parametrize("category", GROUPS["multi_turn"])
def test_both_drivers_agree(category: str, kind: str, backends: Backends) -> None:
    for entry in entries(category)[::STEP]:
        replies = replies_of(entry, kind)
        waiting = deque(replies)

        def ask(rows: Sequence[object], waiting: deque[Reply] = waiting) -> list[Answer]:
            return [Answer(waiting.popleft() if waiting else Reply("."), "{", 0, Prompt("", (), 0)) for _ in rows]

        (own,) = play([entry], ask, backends, Fields())
        agents = play_by_agent(entry, ScriptedMind([*replies, Reply(".")]), backends, Options())
        assert agents.turns == own.turns
        assert judge_play(agents, backends) == judge_play(own, backends), entry.id
        if kind == "gold":
            assert judge_play(agents, backends).theirs
            told = [[m.text for m in one.conversation.messages if m.role == "tool"] for one in (own, agents)]
            # where a gold call does not fit the tool's own schema, the agent's policy says so instead of the back end
            alike = zip(*told, strict=True)
            assert all(one == other or "not allowed: " in other for one, other in alike), entry.id


def test_a_row_without_end(backends: Backends) -> None:
    entry = entries("multi_turn_base")[0]
    made = play_by_agent(entry, ScriptedMind([Reply("", (ToolCall("pwd", {}),))]), backends, Options())
    found = judge_play(made, backends)
    assert (found.theirs, found.error) == (False, "multi_turn:force_terminated")
