"""Agents that ask agents, and a router that finds the right one."""

from __future__ import annotations

import pytest

from callwright.agent.fake import ScriptedMind
from callwright.agent.loop import Agent
from callwright.agent.policy import Policy
from callwright.agent.team import Board, Member, Router, Team, as_tool
from callwright.agent.toolbox import Bound, Toolbox
from callwright.errors import ToolError
from callwright.synth.execute import Result
from callwright.types import Conversation, Reply, Tool, ToolCall


def member(name: str, about: str, effect: str = "read", **more: object) -> Member:
    tool = Tool(f"{name}_it", f"Do {name}.", {"type": "object", "properties": {}})
    box = Toolbox([Bound(tool, effect, lambda call, key: Result(f"{name} done"))])  # type: ignore[arg-type]

    def reply(row: Conversation) -> Reply:
        if row.messages[-1].role == "tool":
            return Reply(f"{row.messages[-1].text}, after {len(row.messages[-3].text.splitlines())} lines")
        return Reply("", (ToolCall(f"{name}_it", {}),))

    return Member(name, about, Agent(ScriptedMind([reply]), box, Policy(allow=("*",))), **more)  # type: ignore[arg-type]


def test_requests_find_their_agent() -> None:
    home, office = member("home", "Lights and heating.", rules=["^light"]), member("office", "Mail and meetings.")
    router = Router([home, office], examples={"office": ["write to my boss"]})
    assert router.route("light on") == (home, "rule")
    assert router.route("a mail please") == (office, "words")
    assert router.route("my boss must know") == (office, "words")
    with pytest.raises(ToolError, match="no agent is for"):
        router.route("xyzzy")
    assert Router([home, office], default="home").route("xyzzy") == (home, "default")
    model = ScriptedMind([Reply("", (ToolCall("office", {"request": "x"}),))])
    assert Router([home, office], model=model).route("xyzzy") == (office, "model")
    assert [tool.name for tool in model.seen[0].tools] == ["home", "office"]


def test_members_share_a_board() -> None:
    team = Team(Router([member("home", "Lights."), member("office", "Mail.")]))
    assert team.ask("lights")[1].text == "home done, after 1 lines"
    name, ended = team.ask("mail")
    # what the other did stands above the request, and not in the trace
    assert (name, ended.text) == ("office", "office done, after 4 lines")
    assert team.router.members[1].agent.said[0].text == "mail"
    assert team.board.notes.notes.splitlines() == ["home_it() -> home done", "office_it() -> office done"]


def test_an_agent_is_a_tool() -> None:
    inner = member("home", "Lights and heating.", effect="change")
    bound = as_tool(inner, Board())
    assert bound.effect == "change"
    assert as_tool(member("a", "b", effect="destroy")).effect == "destroy"
    outer_mind = ScriptedMind([Reply("", (ToolCall("home", {"request": "warmer"}),)), Reply("all set")])
    outer = Agent(outer_mind, Toolbox([bound]), Policy(allow=("home",)))
    assert outer.run("make it cosy").text == "all set"
    assert "home done" in outer.said[2].text
    refused = Agent(ScriptedMind([Reply("", (ToolCall("home", {"request": "x"}),)), Reply("no")]), Toolbox([bound]))
    refused.run("go")
    assert "nobody can be asked" in refused.said[2].text
    with pytest.raises(ToolError, match="deep"):
        as_tool(inner, depth=5)
