"""A YAML file that says what an agent is -> its plan: model, tools, policy, budgets, memory, retrieval; or a team's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from callwright.agent.loop import Budget
from callwright.agent.policy import Policy, policy_of, read_policy
from callwright.errors import RecipeError
from callwright.schema.keys import explain
from callwright.types import JsonObject


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """Where tools come from, as `callwright tools show` takes it. url: of the service, where the source names none."""

    source: str
    url: str | None = None


class Spending(_Part):
    """Of one request: replies, seconds, tokens written, tokens of a prompt, and the same call again."""

    steps: int = Field(default=8, ge=1)
    seconds: float = Field(default=120.0, gt=0)
    tokens: int = Field(default=4096, ge=1)
    context: int = Field(default=4096, ge=64)
    repeats: int = Field(default=2, ge=1)

    def budget(self) -> Budget:
        """As the loop takes it."""
        return Budget(self.steps, self.seconds, self.tokens, self.context, self.repeats)


class Retrieval(_Part):
    """Only the `count` tools that fit a request are offered. by: words, or with `model` vectors or both. examples: rows
    whose requests teach what a tool is for. always: names that are offered whatever the request."""

    count: int = Field(default=10, ge=1)
    by: Literal["words", "vectors", "both"] = "words"
    model: str | None = None
    examples: str | None = None
    always: list[str] = Field(default_factory=list)


class Plan(_Part):
    """One agent.

    policy: keys of a policy, or its file. memory: what is shown of a conversation that grows too long. rules: whether
    the policy stands in the system text too. session: a folder that the conversation lives in. about, match: what a
    router knows of a member of a team; match is regular expressions of requests that are surely its own.
    """

    model: str = "smollm2-135m"
    adapter: str | None = None
    dialect: str = "auto"
    engine: Literal["auto", "torch", "openvino", "llama.cpp"] = "auto"
    constrain: bool = True
    tools: list[str | Source] = Field(min_length=1)
    system: str = ""
    rules: bool = False
    policy: dict[str, Any] | str = Field(default_factory=dict)
    budget: Spending = Spending()
    memory: Literal["none", "pruning", "whiteboard"] = "pruning"
    retrieve: Retrieval | None = None
    session: str | None = None
    about: str = ""
    match: list[str] = Field(default_factory=list)

    def sources(self) -> list[Source]:
        """The sources of tools."""
        return [one if isinstance(one, Source) else Source(source=one) for one in self.tools]

    def rules_of(self, where: str) -> Policy:
        """The policy. Raises RecipeError."""
        if isinstance(self.policy, str):
            return read_policy(Path(self.policy))
        return policy_of(self.policy, f"{where}: policy")


class TeamPlan(_Part):
    """Several agents by their names, and who takes what none is for. router: an adapter of `model` that was tuned to
    call members; without one, words decide."""

    agents: dict[str, Plan] = Field(min_length=1)
    default: str = ""
    model: str = "smollm2-135m"
    router: str | None = None


def read_plan(path: Path) -> Plan | TeamPlan:
    """A file with `agents` is a team's. Raises RecipeError with every wrong key on a line of its own."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RecipeError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: an agent is a mapping of keys to values, such as 'tools: [my_tools.py]'")
    plan = _checked(content, str(path))
    members = plan.agents if isinstance(plan, TeamPlan) else {"": plan}
    for name, member in members.items():
        member.rules_of(f"{path}: {name}" if name else str(path))
        if isinstance(plan, TeamPlan) and not member.about:
            raise RecipeError(f"{path}: 'agents.{name}.about' is missing: a router reads it")
    if isinstance(plan, TeamPlan) and plan.default and plan.default not in plan.agents:
        raise RecipeError(f"{path}: 'default' names '{plan.default}', which is none of {', '.join(plan.agents)}")
    return plan


def _checked(content: JsonObject, where: str) -> Plan | TeamPlan:
    kind: type[Plan] | type[TeamPlan] = TeamPlan if "agents" in content else Plan
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise RecipeError("\n".join(f"{where}: {line}" for line in explain(error, kind))) from error
