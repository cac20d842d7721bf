"""`callwright agent` and `callwright chat --run`, as a user types them, on a tiny random model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import Cli

FUNCTIONS = '''
def ring(times: int) -> str:
    """Ring a bell."""
    return f"rang {times}"

def look() -> str:
    """Look around."""
    return "nothing"

look.effect = "read"
'''


@pytest.fixture
def folder(callwright: Cli, tmp_path: Path, tiny_model: str) -> Path:
    (tmp_path / "f.py").write_text(FUNCTIONS)
    (tmp_path / "agent.yaml").write_text(
        f"model: {tiny_model}\ndialect: hermes\nengine: torch\ntools: [f.py]\nsession: s\n"
        "policy: {allow: [ring]}\nbudget: {steps: 2, tokens: 60, context: 4096}\n"
    )
    return tmp_path


def test_an_agent_is_asked_and_goes_on(callwright: Cli, folder: Path) -> None:
    code, printed, errors = callwright("agent", "agent.yaml", "ring the bell", "--json")
    assert code == 0, errors
    (told,) = json.loads(printed)
    assert told["why"] in ("answered", "cut", "steps", "tokens", "repeats", "broken")
    assert told["row"]["messages"][0] == {"role": "user", "content": "ring the bell"}
    code, printed, errors = callwright("agent", "agent.yaml", stdin="and again\n\n")
    assert code == 0, errors
    assert printed.startswith("> and again")
    # the session holds both requests, and is a row of data
    code, printed, errors = callwright("data", "show", "s/trace.jsonl", "--json")
    assert code == 0, errors
    said = [
        m["content"] for m in json.loads((folder / "s" / "trace.jsonl").read_text())["messages"] if m["role"] == "user"
    ]
    assert said == ["ring the bell", "and again"]


def test_a_policy_is_attacked(callwright: Cli, folder: Path) -> None:
    code, printed, errors = callwright("agent", "agent.yaml", "--attack", "--json")
    assert code == 0, errors
    kinds = json.loads(printed)[""]["kinds"]
    assert sum(kind["attacks"] for kind in kinds.values()) == 200
    assert sum(kind["without_permission"] for kind in kinds.values()) == 0
    code, printed, _ = callwright("agent", "agent.yaml", "--attack")
    assert (code, "confused names" in printed) == (0, True)


def test_a_team_of_two(callwright: Cli, folder: Path, tiny_model: str) -> None:
    one = f"model: {tiny_model}, dialect: hermes, engine: torch, budget: {{steps: 1, tokens: 8}}"
    (folder / "team.yaml").write_text(
        "agents:\n"
        f"  bells: {{{one}, tools: ['f.py:ring'], about: Rings bells., match: ['^ring']}}\n"
        f"  eyes: {{{one}, tools: ['f.py:look'], about: Looks around in the garden.}}\n"
    )
    code, printed, errors = callwright("agent", "team.yaml", "ring it", "what is in the garden", "--json")
    assert code == 0, errors
    assert [one["agent"] for one in json.loads(printed)] == ["bells", "eyes"]


def test_chat_runs_what_it_may(callwright: Cli, folder: Path, tiny_model: str) -> None:
    words = ("chat", tiny_model, "--tools", "f.py", "--dialect", "hermes")
    (folder / "p.yaml").write_text("allow: ['*']\n")
    code, printed, errors = callwright(*words, "--run", "--policy", "p.yaml", stdin="look\n")
    assert code == 0, errors
    assert printed.strip()
    code, _, errors = callwright(*words, "--policy", "p.yaml")
    assert (code, "add --run" in errors) == (2, True)
    code, _, errors = callwright("chat")
    assert (code, "--demo" in errors) == (2, True)


def test_what_cannot_be_opened_is_said(callwright: Cli, folder: Path) -> None:
    (folder / "agent.yaml").write_text("tools: [nosuch.py]\n")
    code, _, errors = callwright("agent", "agent.yaml", "go")
    assert (code, "there is no such file" in errors) == (2, True)
    code, _, errors = callwright("agent", "nosuch.yaml", "go")
    assert (code, "cannot be read" in errors) == (2, True)
