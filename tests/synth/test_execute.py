"""The user's functions in a process apart: what they do wrong is a result, and never ours to suffer."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callwright.errors import ToolError
from callwright.synth.execute import Limits, Result, Runner
from callwright.tools import load_tools
from callwright.types import ToolCall

SOURCE = """
import asyncio, dataclasses, datetime, enum, os, subprocess, sys, time

class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"

@dataclasses.dataclass
class Place:
    city: str
    since: datetime.date

def add(a: int, b: int = 1) -> int:
    return a + b

def visit(place: Place, size: Size) -> dict:
    return {"year": place.since.year, "size": size, "again": place}

async def wait_for(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "waited"

def fail(why: str) -> None:
    raise ValueError(why)

def leave(code: int) -> None:
    sys.exit(code)

def vanish() -> None:
    os._exit(3)

def crash() -> None:
    os.abort()

def sleep() -> None:
    subprocess.Popen(["sleep", "60"])
    time.sleep(60)

def spin() -> None:
    while True:
        pass

def swell() -> int:
    return len(bytearray(8 << 30))

def fill_disk() -> None:
    with open("big", "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))

def chatter() -> str:
    print('{"result": "forged"}')
    os.write(1, b'{"result": "forged"}\\n')
    subprocess.run(["echo", "forged"])
    return "kept quiet"

def read_input() -> str:
    return sys.stdin.read()

def environment() -> dict:
    return dict(os.environ)

def here() -> list:
    return os.listdir()

def huge() -> str:
    return "x" * 100_000

def not_json() -> float:
    return float("nan")
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "tools.py").write_text(SOURCE)
    return str(tmp_path / "tools.py")


@pytest.fixture
def runner(source: str) -> Iterator[Runner]:
    with Runner(source, load_tools(source), Limits(call_seconds=60, cpu_seconds=1, megabytes=512)) as made:
        yield made


def call(runner: Runner, name: str, **arguments: Any) -> Result:
    return runner.call(ToolCall(name, arguments))


def test_results_are_json(runner: Runner) -> None:
    assert call(runner, "add", a=2) == Result(3)
    assert call(runner, "wait_for", seconds=0.01) == Result("waited")
    place = {"city": "Oslo", "since": "2020-05-01"}
    given = call(runner, "visit", place=place, size="large")
    assert given == Result({"year": 2020, "size": "large", "again": place}), "dates, enums and dataclasses come and go"
    assert (given.text, Result("as it is").text) == (json.dumps(given.value), "as it is")


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("fail", {"why": "no such room"}, "ValueError: no such room"),
        ("leave", {"code": 0}, "SystemExit: 0"),
        ("vanish", {}, "ended its process with code 3"),
        ("crash", {}, "crashed: SIGABRT"),
        ("spin", {}, "used more than 1 seconds of processor time"),
        ("swell", {}, "MemoryError"),
        ("fill_disk", {}, "File too large"),
        ("huge", {}, "the result has 100,002 bytes"),
        ("not_json", {}, "ValueError"),
        ("add", {"a": "two"}, "ValidationError"),
    ],
)
def test_what_goes_wrong_is_a_result_and_the_next_call_works(
    runner: Runner, name: str, arguments: dict[str, Any], why: str
) -> None:
    failed = call(runner, name, **arguments)
    assert why in failed.error
    assert json.loads(failed.text) == {"error": failed.error}
    assert call(runner, "add", a=1, b=1) == Result(2)


def test_a_time_out_ends_the_process_and_what_it_started(source: str) -> None:
    with Runner(source, (), Limits(call_seconds=1)) as runner:
        assert call(runner, "add", a=1).value == 2
        group = runner.pid
        assert call(runner, "sleep").error == "no result within 1 seconds"
        assert call(runner, "add", a=1).value == 2
    for _ in range(100):
        if not _alive(group):
            return
        time.sleep(0.02)
    pytest.fail("a process of the group lives on")


def _alive(group: int) -> bool:
    """Whether a process of the group runs; one that nobody waits for is dead all the same."""
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stats.append(path.read_text().rpartition(")")[2].split())
        except OSError:
            continue
    return any(int(fields[2]) == group and fields[0] != "Z" for fields in stats)


def test_printing_and_reading_leave_the_results_alone(runner: Runner) -> None:
    assert call(runner, "chatter") == Result("kept quiet")
    assert call(runner, "read_input") == Result("")
    assert call(runner, "add", a=1) == Result(2)


def test_no_keys_and_an_empty_folder(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_SECRET"):
        monkeypatch.setenv(name, "sk-12345")
    seen = call(runner, "environment").value
    assert "sk-12345" not in json.dumps(seen)
    assert seen["HOME"] != os.environ.get("HOME"), "credentials are often files at home"
    assert call(runner, "here") == Result([])


def test_functions_that_are_not_the_tools_are_refused(source: str, tmp_path: Path) -> None:
    tools = {tool.name: tool for tool in load_tools(source)}
    other = replace(tools["add"], parameters={"type": "object", "properties": {"a": {"type": "string"}}})
    for wrong, why in (((other,), "another signature"), ((replace(other, name="sub"),), "no function for")):
        with Runner(source, wrong) as runner, pytest.raises(ToolError, match=why):
            call(runner, "add", a=1)
    (tmp_path / "broken.py").write_text("import nothing_of_the_kind\n")
    with Runner(str(tmp_path / "broken.py"), ()) as runner, pytest.raises(ToolError, match="nothing_of_the_kind"):
        call(runner, "add", a=1)
    (tmp_path / "gone.py").write_text("import os\nos._exit(1)\n")
    with Runner(str(tmp_path / "gone.py"), ()) as runner, pytest.raises(ToolError, match="while it was loaded"):
        call(runner, "add", a=1)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    late = Limits(load_seconds=0.5)
    with Runner(str(tmp_path / "slow.py"), (), late) as runner, pytest.raises(ToolError, match="was not loaded"):
        call(runner, "add", a=1)


def test_functions_that_are_chosen_by_name(source: str) -> None:
    chosen = f"{source}:add,fail"
    with Runner(chosen, load_tools(chosen)) as runner:
        assert call(runner, "add", a=1) == Result(2)
        assert "no such function" in call(runner, "spin").error


def test_only_python_can_be_run() -> None:
    for source in ("tools.json", "api.yaml#tag=pets", "mcp:server"):
        with pytest.raises(ToolError, match="no functions that can be run"):
            Runner(source, ())
