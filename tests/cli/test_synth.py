"""`callwright synth`, as a user types it: without a teacher, with one, and with what does not go together."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from callwright.data import conversations
from callwright.tools import load_tools
from command_line import Cli
from teacher_server import HOME, TeacherServer

TOOLS = str(HOME / "tools.py")


@pytest.fixture
def synth(callwright: Cli) -> Cli:
    """`callwright synth` of the example's functions."""
    return partial(callwright, "synth", TOOLS)


def of(server: TeacherServer, cap: int = 1_000_000) -> tuple[str, ...]:
    return ("--teacher", server.url, "--teacher-model", "m", "--cap", str(cap))


def test_without_a_teacher(synth: Cli) -> None:
    phrases = ("--phrases", str(HOME / "phrases.yaml"))
    code, printed, errors = synth("a.jsonl", "--rows", "20", *phrases, "--json")
    told = json.loads(printed)
    assert (code, told["rows"], errors) == (0, 20, "")
    assert sum(told["categories"].values()) == 20
    assert told["coverage"].keys() == {tool.name for tool in load_tools(str(HOME / "tools.py"))}
    assert len(list(conversations("a.jsonl"))) == 20
    assert synth("a.jsonl", *phrases)[0] == 2, "an existing file is not overwritten"


def test_turns_with_results_of_the_users_own_functions(synth: Cli) -> None:
    shares = ("--share", "multi_turn=0.6", "--share", "clarify=0.2", "--tools-per-row", "2-4")
    words = ("--rows", "30", *shares, "--execute", "--seeds", str(HOME / "holdout.jsonl"), "--licence", "CC0-1.0")
    code, _, errors = synth("b.jsonl", *words, "--rejected", "r.jsonl")
    assert (code, "variety:" in errors, Path("r.jsonl").is_file()) == (0, True, True), errors
    rows = list(conversations("b.jsonl"))
    results = [message for row in rows for message in row.messages if message.role == "tool"]
    assert any(message.name == "set_light" and message.text.startswith("light in the") for message in results)
    assert {row.provenance["licence"] for row in rows} == {"CC0-1.0"}


def test_with_a_teacher_a_judge_and_execution(synth: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-teacher")
    monkeypatch.setenv("JUDGE_API_KEY", "sk-judge")
    with TeacherServer(seed=1, wrong=0.2) as server, TeacherServer(seed=2) as judge:
        words = ("--rows", "24", *of(server), "--seeds", str(HOME / "holdout.jsonl"), "--licence", "CC0-1.0")
        checked = ("--judge", judge.url, "--judge-model", "j", "--judge-cap", "1000000", "--execute")
        code, printed, errors = synth("a.jsonl", *words, *checked, "--json")
    assert (code, errors) == (0, ""), printed
    told: dict[str, Any] = json.loads(printed)
    rows = list(conversations("a.jsonl"))
    assert (told["rows"], told["lacking"], len(rows)) == (24, {}, 24)
    assert told["rejected"]["judge"] > 0
    lines = [json.loads(line) for line in Path("a.jsonl.rejected.jsonl").read_text().splitlines()]
    assert len(lines) == sum(told["rejected"].values())
    assert any(line["kind"] == "judge" and line["why"] == "odd" for line in lines)
    for row in rows:
        assert row.provenance["judge"]["right"] is True
        assert row.provenance["judge"]["model"] == "j"
        called = any(message.calls for message in row.messages)
        assert ("executed" in row.provenance["checks"]) == called
    results = [m.text for row in rows for m in row.messages if m.role == "tool"]
    assert results
    assert "ok" not in results, "the functions' own results stand in the rows"
    assert told["judge_tokens"] >= judge.tokens > 0
    assert server.keys == {"Bearer sk-teacher"}
    assert judge.keys == {"Bearer sk-judge"}, "one provider's key is not shown to another"


def test_a_cap_leaves_rows_lacking(synth: Cli) -> None:
    with TeacherServer(seed=1) as server:
        code, _, errors = synth("a.jsonl", "--rows", "50", *of(server, 15_000))
        assert code == 1
        assert "a cap of tokens is met: raise it" in " ".join(errors.split())
        tries = server.tries.total()
        Path("a.jsonl").unlink()
        code, printed, _ = synth("a.jsonl", "--rows", "50", *of(server), "--json")
        assert (code, json.loads(printed)["rows"]) == (0, 50)
        assert max(server.answered.values()) == 1
        assert server.tries.total() > tries > 0


def test_what_does_not_go_together(synth: Cli) -> None:
    for words, why in [
        (("--teacher", "http://h/v1"), "--teacher, --teacher-model and --cap go together"),
        (("--cap", "100"), "--teacher, --teacher-model and --cap go together"),
        (("--teacher", "localhost:1", "--teacher-model", "m", "--cap", "1"), "begins with http"),
        (("--judge", "http://h/v1", "--judge-model", "j", "--judge-cap", "1"), "--judge goes with a teacher"),
        (("--share", "parallel"), "write NAME=NUMBER"),
        (("--share", "paralel=0.1"), "did you mean 'parallel'"),
        (("--tools-per-row", "9-3"), "write FROM-TO"),
        (
            ("--teacher", "http://h/v1", "--teacher-model", "m", "--cap", "1", "--phrases", "p"),
            "are for rows without a teacher",
        ),
    ]:
        code, _, errors = synth("a.jsonl", *words)
        assert (code, why in errors) == (2, True), errors


def test_rows_for_failures(synth: Cli) -> None:
    missed = {
        "id": "1",
        "request": "put bread on the list",
        "expected_calls": [{"name": "add_to_shopping_list", "arguments": {"item": "bread"}}],
        "expected_text": "",
        "got_calls": [],
        "mode": "missing_call",
    }
    Path("out").mkdir()
    Path("out", "failures.jsonl").write_text(json.dumps(missed) + "\n")
    asked = ("--rows", "10", "--from-failures", "out", "--pool", str(HOME / "holdout.jsonl"))
    code, printed, errors = synth("a.jsonl", *asked, "--json")
    assert code == 0, errors
    told = json.loads(printed)
    own = [row for row in conversations("a.jsonl") if row.provenance.get("chosen")]
    assert (told["rows"], told["failures"], told["own"]) == (10, 1, len(own))
    assert 0 < len(own) <= 5
    for row in conversations("a.jsonl"):
        assert "add_to_shopping_list" in {call.name for message in row.messages for call in message.calls}
    assert "other held-out rows" in synth("b.jsonl", *asked)[2]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--pool", "x.jsonl"), "give --from-failures too"),
        (("--from-failures", "x", "--share", "parallel=0.1"), "leave --share out"),
        (("--from-failures", "nowhere"), "cannot read the failures"),
    ],
)
def test_what_does_not_go_with_failures(synth: Cli, words: tuple[str, ...], why: str) -> None:
    code, _, errors = synth("c.jsonl", *words)
    assert code == 2
    assert why in " ".join(errors.split())
    assert not Path("c.jsonl").exists()


def test_failures_go_without_a_teacher(synth: Cli) -> None:
    with TeacherServer() as server:
        code, _, errors = synth("c.jsonl", "--from-failures", "x", *of(server))
    assert (code, "without a teacher" in " ".join(errors.split())) == (2, True)
