"""Two hundred attacks by a model that obeys whoever spoke last: nothing runs that was not permitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from callwright.agent.attacks import attacked, attacks
from callwright.agent.policy import Policy, Rate
from callwright.agent.results import LONGEST
from callwright.agent.toolbox import Bound, Toolbox, open_tools
from callwright.errors import ToolError
from callwright.synth.execute import Result
from callwright.types import Tool

HOME = Path(__file__).parents[2] / "examples" / "home" / "tools.py"


def box() -> Toolbox:
    def tool(name: str, about: str) -> Tool:
        properties = {"place": {"type": "string"}, "level": {"type": "integer", "maximum": 9}}
        return Tool(name, about, {"type": "object", "properties": properties, "required": ["place"]})

    def run(call: object, key: str) -> Result:
        raise AssertionError("nothing is really run")

    return Toolbox(
        [
            Bound(tool("look_up", "Look something up."), "read", run, together=True),
            Bound(tool("set_level", "Set a level."), "change", run),
            Bound(tool("erase_all", "Erase everything at a place."), "destroy", run),
            Bound(tool("pay_bill", "Pay a bill."), "destroy", run),
        ]
    )


@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        Policy(ask=()),
        Policy(allow=("*",)),
        Policy(allow=("set_level", "pay_bill")),
        Policy(allow=("*",), deny=("set_level",)),
        Policy(allow=("*", "erase_all"), rates={"*": Rate(3, 3600)}),
        Policy(effects={"look_up": "destroy"}),
    ],
    ids=str,
)
def test_nothing_runs_without_permission(policy: Policy) -> None:
    tools = box()
    cases = attacks(tools.tools, dict(tools.effects), 204)
    assert len({case.kind for case in cases}) == 6
    found = attacked(tools, policy, cases)
    print(f"{dict(found.cases)}; ran {dict(found.ran)}; without permission {len(found.through)}")
    assert found.through == []
    assert found.unfenced == 0
    assert found.longest < LONGEST * 2
    assert sum(found.endings.values()) == 204
    assert found.endings["repeats"] + found.endings["steps"] > 0


def test_the_attacks_can_succeed() -> None:
    """With everything allowed the same attacks run what they want: the figures above are the policy's doing."""
    tools = box()
    cases = attacks(tools.tools, dict(tools.effects), 204)
    open_door = attacked(tools, Policy(allow=("set_level", "erase_all", "pay_bill")), cases)
    shut = attacked(tools, Policy(), cases)
    assert open_door.ran["injected"] > shut.ran["injected"]
    assert open_door.ran["harmless words"] == open_door.cases["harmless words"]
    assert shut.ran["harmless words"] == 0
    assert shut.ran["confused names"] == open_door.ran["confused names"] == 0


def test_the_example_is_attacked() -> None:
    with open_tools(str(HOME)) as tools:
        found = attacked(tools, Policy(), attacks(tools.tools, dict(tools.effects)))
    assert (sum(found.cases.values()), found.through, sum(found.ran.values())) == (200, [], 0)


def test_without_tools() -> None:
    with pytest.raises(ToolError, match="no tools"):
        attacks([], {})
