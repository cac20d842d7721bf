"""A teacher that misbehaves: nothing lost, nothing invalid accepted, the cap held, nothing paid for twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callwright.data import conversations
from callwright.data.lint import lint
from callwright.data.toolset import declared
from callwright.errors import ToolError
from callwright.schema import validate
from callwright.synth.endpoint import Endpoint
from callwright.synth.journal import Journal
from callwright.synth.prompts import Style
from callwright.synth.teacher import SHARES, Taught, Teaching, quotas, teach
from callwright.types import Conversation
from teacher_server import HOME, TOOLS, TRANSPORT, TeacherServer, form_of, server_key

SEEDS = [declared(row, TOOLS) for row in conversations(HOME / "holdout.jsonl", limit=40)]


def endpoint(server: TeacherServer, **changes: Any) -> Endpoint:
    made = Endpoint(server.url, "teacher-1", cap=10_000_000, concurrency=8, timeout=10.0, backoff=0.01)
    return replace(made, **changes)


def taught(server: TeacherServer, folder: Path, rows: int = 60, **changes: Any) -> Taught:
    settings = Teaching(rows, endpoint(server), folder / "journal", licence="CC0-1.0", style=Style(5))
    return teach(TOOLS, SEEDS, replace(settings, **changes))


def outcomes(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["outcome"] for line in lines if "outcome" in line]


def test_a_server_that_misbehaves(tmp_path: Path) -> None:
    with TeacherServer(seed=1, faults=0.6, wrong=0.35) as server:
        made = taught(server, tmp_path, rows=150, teacher=endpoint(server, timeout=3.0))
    assert set(server.fault_counts) == {"", *TRANSPORT}, "each fault came up"
    # nothing lost: every answer, and every body without one, is in the journal
    told = outcomes(tmp_path / "journal")
    assert Counter(row["text"] for row in told if row["text"]) == Counter(server.texts.values())
    assert Counter(server.bodies) <= Counter(row["body"] for row in told)
    assert max(server.answered.values()) == 1
    # nothing invalid accepted
    forms = [form_of(row) for row in made.rows]
    assert not set(forms) & server.bad.keys()
    assert set(forms) <= server.right
    kinds = Counter(row.kind for row in made.rejected)
    assert kinds.keys() >= {"wrong tool", "schema", "ungrounded", "prompt echo", "form", "duplicate", "broken JSON"}
    # and the count is what was asked for
    assert not made.lacking
    shares = Counter(row.source.removeprefix("synth:") for row in made.rows)
    assert all(abs(shares[name] - 150 * share) < 1 for name, share in SHARES.items())
    assert shares.total() == 150
    assert made.tokens >= server.tokens, "the count is never below the server's own"


def test_rows_are_whole(tmp_path: Path) -> None:
    with TeacherServer(seed=2, wrong=0.2) as server:
        made = taught(server, tmp_path)
    schemas = {tool.name: tool.parameters for tool in TOOLS}
    answers = {row["key"] for row in outcomes(tmp_path / "journal")}
    assert len({row.id for row in made.rows}) == len(made.rows) == 60
    for row in made.rows:
        assert not lint(row)
        assert all(not validate(call.arguments, schemas[call.name]) for m in row.messages for call in m.calls)
        assert all(message.calls or message.text.strip() for message in row.messages)
        about = row.provenance
        assert (about["generator"], about["model"], about["licence"]) == ("teacher", "teacher-1", "CC0-1.0")
        assert about["host"] == server.url.split("/")[2]
        assert about["prompt"] in answers
        assert 0.5 <= about["temperature"] <= 1.1
        assert {"schema", "grounded", "distinct"} <= set(about["checks"])
    said = [" ".join(m.text for m in row.messages if m.role == "user").casefold() for row in made.rows]
    assert len(set(said)) == len(said)
    assert not set(said) & {seed.messages[0].text.casefold() for seed in SEEDS}
    for rejected in made.rejected:
        told = rejected.to_json()
        assert told["question"] in answers
        assert told["why"]
        json.dumps(told)
    temperatures = {row.provenance["temperature"] for row in made.rows}
    assert len(temperatures) > 5


def test_the_same_answers_give_the_same_rows(tmp_path: Path) -> None:
    with TeacherServer(seed=3, faults=0.3, wrong=0.3, kinds=("429", "500", "cut")) as server:
        first = taught(server, tmp_path)
        tries = server.tries.total()
        again = taught(server, tmp_path)
        assert server.tries.total() == tries, "all of it was in the journal"
        alone = taught(server, tmp_path / "other", teacher=endpoint(server, concurrency=1))
    assert first == again
    assert alone.rows == first.rows


def test_the_first_rows_of_a_larger_order_are_asked_once(tmp_path: Path) -> None:
    only = {"single": 1.0}
    with TeacherServer(seed=4) as server:
        taught(server, tmp_path, rows=20, shares=only)
        before = set(server.tries)
        taught(server, tmp_path, rows=40, shares=only)
        assert all(server.tries[key] == 1 for key in before)


@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("cap", [3_000, 30_000, 90_000])
def test_the_cap_holds_as_the_server_counts(tmp_path: Path, cap: int, usage: bool) -> None:
    with TeacherServer(seed=cap, faults=0.3, wrong=0.3, kinds=("429", "500", "cut", "broken body")) as server:
        server.usage = usage
        for _ in range(2):
            made = taught(server, tmp_path, rows=200, teacher=endpoint(server, cap=cap))
            assert server.tokens <= made.tokens <= cap
            assert made.capped
            assert made.lacking
    if cap == 3_000:
        assert server.tries.total() == 0, "not even one question fits"
    else:
        assert made.rows


def test_a_cap_that_is_raised_goes_on(tmp_path: Path) -> None:
    with TeacherServer(seed=8) as server:
        capped = taught(server, tmp_path, teacher=endpoint(server, cap=20_000))
        assert (capped.capped, bool(capped.lacking)) == (True, True)
        whole = taught(server, tmp_path)
        assert not whole.lacking
        assert max(server.answered.values()) == 1
        assert {row.id for row in capped.rows} & {row.id for row in whole.rows}


def test_a_teacher_that_only_errs_is_not_asked_for_ever(tmp_path: Path) -> None:
    with TeacherServer(seed=6, wrong=1.0) as server:
        made = taught(server, tmp_path, rows=10, shares={"single": 1.0})
    assert (made.rows, made.lacking, made.capped) == ((), {"single": 10}, False)
    assert server.tries.total() == 6, "three rounds of two questions"
    assert made.rejected


def test_what_cannot_be_made(tmp_path: Path) -> None:
    with TeacherServer() as server:
        with pytest.raises(ToolError, match="did you mean 'single'"):
            taught(server, tmp_path, shares={"singel": 1.0})
        with pytest.raises(ToolError, match="without tools"):
            teach((), (), Teaching(1, endpoint(server), tmp_path / "journal"))
    free = [replace(tool, parameters={"type": "object", "properties": {}}) for tool in TOOLS]
    settings = Teaching(10, Endpoint("http://localhost/v1", "m", 1), tmp_path / "journal")
    assert quotas(free, settings) == {"single": 6, "parallel": 2, "no_call": 1, "multi_turn": 1}
    assert quotas(TOOLS, settings) == {"single": 5, "parallel": 2, "no_call": 1, "missing": 1, "multi_turn": 1}


SCRIPT = """
import sys
from pathlib import Path
from callwright.data import conversations, write
from callwright.data.toolset import declared
from callwright.synth.endpoint import Endpoint
from callwright.synth.teacher import Teaching, teach
from callwright.tools import load_tools
url, home, folder, cap = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
tools = load_tools(str(home / "tools.py"))
seeds = [declared(row, tools) for row in conversations(home / "holdout.jsonl", limit=40)]
teacher = Endpoint(url, "m", cap=cap, concurrency=4, timeout=10.0, backoff=0.01)
made = teach(tools, seeds, Teaching(60, teacher, folder / "journal"))
write(folder / "rows.jsonl", made.rows)
"""


def test_after_kill_9_nothing_is_paid_twice_and_the_rows_are_the_same(tmp_path: Path) -> None:
    with TeacherServer(seed=9, faults=0.3, wrong=0.3, kinds=("429", "429 wait", "500", "cut")) as server:

        def start(folder: Path) -> subprocess.Popen[bytes]:
            words = [server.url, str(HOME), str(folder), "10000000"]
            return subprocess.Popen([sys.executable, "-c", SCRIPT, *words])

        assert start(tmp_path / "unbroken").wait(120) == 0
        for counts in (server.tries, server.answered):
            counts.clear()
        before = server.tokens
        server.delay = 0.05
        lost: set[str] = set()
        for answers in (4, 11):
            process = start(tmp_path / "killed")
            with server.changed:
                assert server.changed.wait_for(lambda n=answers: server.answered.total() >= n, 60)
            process.send_signal(signal.SIGKILL)
            process.wait()
            lost |= _under_way(tmp_path / "killed" / "journal")
        assert lost, "it was killed with questions under way"
        assert start(tmp_path / "killed").wait(120) == 0
    assert _same(tmp_path / "killed") == _same(tmp_path / "unbroken")
    twice = {key for key, count in server.answered.items() if count > 1}
    assert twice <= lost
    assert max(server.answered.values()) <= 3
    with Journal(tmp_path / "killed" / "journal") as journal:
        assert journal.spent >= server.tokens - before, "what the kills cost is counted"


def _under_way(path: Path) -> set[str]:
    """Questions without an outcome, by the server's key."""
    under_way = {}
    for line in path.read_bytes().splitlines(keepends=True):
        row = json.loads(line) if line.endswith(b"\n") else {}
        if "asked" in row:
            sent = {name: row["asked"][name] for name in ("model", "temperature", "max_tokens")}
            sent["messages"] = [{"role": role, "content": text} for role, text in row["asked"]["messages"]]
            under_way[row["asked"]["key"]] = server_key(sent)
        elif "outcome" in row:
            under_way.pop(row["outcome"]["key"])
    return set(under_way.values())


def _same(folder: Path) -> list[Conversation]:
    return [replace(row, where="") for row in conversations(folder / "rows.jsonl")]
