"""What may be called, and what is refused, whoever asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.agent.effects import EFFECTS, declared_effect, effect_of_annotations
from callwright.agent.policy import Circumstances, Policy, Rate, policy_of, read_policy, rule, rules_text
from callwright.errors import RecipeError
from callwright.types import Tool, ToolCall

HEAT = Tool(
    "set_heat",
    "Heat a room.",
    {"type": "object", "properties": {"degrees": {"type": "integer"}, "room": {"type": "string"}}},
)
WIPE = Tool("wipe_disk", "Erases a disk.", {"type": "object", "properties": {}})
TOOLS = (HEAT, WIPE)
CALL = ToolCall("set_heat", {"degrees": 20})


def verdict(policy: Policy, call: ToolCall = CALL, effect: Any = "change", **more: Any) -> str:
    return rule(policy, call, Circumstances(TOOLS, effect, **more)).verdict


def test_without_rules_only_reading_is_run() -> None:
    assert verdict(Policy(), effect="read") == "run"
    assert verdict(Policy(), effect="change") == "ask"
    assert verdict(Policy(), effect="destroy") == "ask"
    assert verdict(Policy(ask=()), effect="change") == "refuse"


def test_a_pattern_never_allows_what_destroys() -> None:
    wipe = ToolCall("wipe_disk", {})
    assert verdict(Policy(allow=("*",)), wipe, "destroy") == "ask"
    assert verdict(Policy(allow=("*",), ask=()), wipe, "destroy") == "refuse"
    assert verdict(Policy(allow=("wipe_disk",)), wipe, "destroy") == "run"
    assert verdict(Policy(allow=("set_*",))) == "run"
    assert verdict(Policy(allow=("*",), deny=("set_*",))) == "refuse"


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (ToolCall("set_heat", {"degrees": "20"}), "not of type 'integer'"),
        (ToolCall("set_heat", {"degrees": 20, "admin": True}), "unknown argument 'admin'"),
        (ToolCall("Set_heat", {}), "did you mean 'set_heat'"),
        (ToolCall("SET_HEAT", {}), "there is no tool"),
        (ToolCall("set_heat\u200b", {}), "there is no tool"),
        (ToolCall("wipe_disk", {"force": True}), "unknown argument 'force'"),
    ],
)
def test_names_and_arguments_must_fit_exactly(call: ToolCall, why: str) -> None:
    found = rule(Policy(allow=("set_heat", "wipe_disk")), call, Circumstances(TOOLS, "read"))
    assert found.verdict == "refuse"
    assert why in found.why


def test_arguments_have_rules_of_their_own() -> None:
    policy = policy_of({"allow": "set_heat", "arguments": {"set_heat": {"degrees": {"maximum": 25}}}}, "p")
    assert verdict(policy, ToolCall("set_heat", {"degrees": 25, "room": "hall"})) == "run"
    found = rule(policy, ToolCall("set_heat", {"degrees": 26}), Circumstances(TOOLS, "change"))
    assert (found.verdict, "maximum" in found.why) == ("refuse", True)


def test_rates() -> None:
    policy = Policy(allow=("*",), rates={"set_*": Rate(2, 60)})
    assert verdict(policy, past=[("set_heat", 10.0)], now=20.0) == "run"
    assert verdict(policy, past=[("set_heat", 10.0), ("set_heat", 15.0)], now=20.0) == "refuse"
    assert verdict(policy, past=[("set_heat", 10.0), ("set_heat", 15.0)], now=72.0) == "run"


@given(
    st.sampled_from(EFFECTS),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1),
    st.none() | st.floats(0, 1),
    st.booleans(),
)
def test_doubt_makes_nothing_laxer(
    effect: Any, chance: float | None, act: float | None, confirm: float | None, allowed: bool
) -> None:
    rank = {"run": 0, "ask": 1, "refuse": 2}
    allow = ("set_heat",) if allowed else ()
    plain = verdict(Policy(allow=allow), effect=effect)
    doubting = verdict(Policy(allow=allow, act=act, confirm=confirm), effect=effect, chance=chance)
    assert rank[doubting] >= rank[plain]
    if chance is not None and confirm is not None and chance < confirm:
        assert doubting == "refuse"


def test_what_is_not_declared_is_a_change_or_worse() -> None:
    assert declared_effect(Tool("get_balance", "Reads it.", {})) == "change"
    assert declared_effect(Tool("get_balance", "", {}), "read") == "read"
    assert declared_effect(Tool("get_balance", "", {}), "harmless") == "change"
    assert declared_effect(Tool("a", "", {"x-destructive": True})) == "destroy"
    assert effect_of_annotations(Tool("a", "", {}), {"destructiveHint": False}) == "change"
    assert effect_of_annotations(Tool("delete_a", "", {}), {"destructiveHint": False}) == "destroy"


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("allow: [set_*]\nrates: {set_heat: 5/60}\nact: 0.9\neffects: {wipe_disk: destroy}\n")
    assert read_policy(path) == Policy(
        ("set_*",), rates={"set_heat": Rate(5, 60.0)}, act=0.9, effects={"wipe_disk": "destroy"}
    )
    path.write_text("")
    assert read_policy(path) == Policy()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("alow: []", "unknown key 'alow'; did you mean 'allow'"),
        ("[1]", "a policy is an object"),
        ("act: 2", "'act' is a probability"),
        ("allow: {a: 1}", "'allow' is a list"),
        ("effects: {a: harmless}", "read, change, destroy"),
        ("rates: {a: often}", "CALLS/SECONDS"),
        ("rates: {a: 5}", "CALLS/SECONDS"),
        ("arguments: {a: 5}", "JSON Schema"),
        ("dry_run: 1", "true or false"),
        ("a: [", "cannot be read"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(RecipeError, match=why):
        read_policy(tmp_path / "p.yaml")


def test_rules_in_words() -> None:
    text = rules_text(Policy(deny=("wipe_disk",)), {"set_heat": "change", "wipe_disk": "destroy", "look": "read"})
    assert "set_heat, wipe_disk" in text
    assert "Never call wipe_disk." in text
    assert "look" not in text
