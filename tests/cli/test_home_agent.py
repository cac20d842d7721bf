"""The tuned example at work: the adapter of the repository on the embedded model, its calls shown and run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import Cli

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(callwright: Cli, embedded: str, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in the project's folder. Skips without the embedded model."""
    monkeypatch.chdir(ROOT)
    return callwright


def test_the_demo_answers(home: Cli) -> None:
    code, printed, errors = home("chat", "--demo", stdin="light on in the kitchen\nwhat is the capital of France?\n")
    assert code == 0, errors
    call, text = printed.strip().splitlines()
    assert call == 'set_light({"room": "kitchen", "state": "on"})'
    assert "(" not in text


def test_calls_are_run_within_the_policy(home: Cli) -> None:
    requests = ("light on in the kitchen", "lock the front door")
    code, printed, errors = home("agent", "examples/home/agent.yaml", *requests, "--json")
    assert code == 0, errors
    light, door = json.loads(printed)
    said = light["row"]["messages"]
    assert said[1]["tool_calls"][0]["arguments"] == {"room": "kitchen", "state": "on"}
    assert said[2]["content"] == "light in the kitchen: on"
    refused = [m["content"] for m in door["row"]["messages"] if m["role"] == "tool" and "not allowed" in m["content"]]
    assert "nobody can be asked" in refused[0]
