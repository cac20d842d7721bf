"""Plans of agents and teams, and what is wrong in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from callwright.agent.plan import Plan, TeamPlan, read_plan
from callwright.errors import RecipeError

EXAMPLE = Path(__file__).parents[2] / "examples" / "home" / "agent.yaml"


def test_the_example_is_a_plan() -> None:
    plan = read_plan(EXAMPLE)
    assert isinstance(plan, Plan)
    assert plan.rules_of("x").effects["lock_door"] == "destroy"
    assert plan.budget.budget().steps == 4


def test_a_team(tmp_path: Path) -> None:
    path = tmp_path / "team.yaml"
    path.write_text(
        "agents:\n  a: {tools: [a.py], about: Lights.}\n  b: {tools: [{source: b.py}], about: Mail.}\ndefault: a\n"
    )
    plan = read_plan(path)
    assert isinstance(plan, TeamPlan)
    assert [one.source for one in plan.agents["b"].sources()] == ["b.py"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tools: []", "'tools'"),
        ("tool: [a.py]", "unknown key 'tool'; did you mean 'tools'"),
        ("tools: [a.py]\nbudget: {step: 3}", "unknown key 'budget.step'; did you mean 'steps'"),
        ("tools: [a.py]\nmemory: long", "'memory'"),
        ("tools: [a.py]\npolicy: {alow: []}", "unknown key 'alow'"),
        ("agents: {a: {tools: [a.py]}}", "'agents.a.about' is missing"),
        ("agents: {a: {tools: [a.py], about: x}}\ndefault: b", "none of a"),
        ("- 1", "a mapping"),
        ("a: [", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(RecipeError, match=why):
        read_plan(tmp_path / "a.yaml")
