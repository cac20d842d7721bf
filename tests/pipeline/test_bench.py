"""A benchmark's run: results as they come, gone on with after a kill, and never mixed with another model's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from callwright.data.sources import bfcl_installed
from callwright.dialects.hermes import hermes
from callwright.errors import RunError
from callwright.generate.fake import CharacterTokenizer, FakeEngine
from callwright.generate.reply import Answer, Completion, Options, Prompt
from callwright.pipeline.asking import Respondent, WithinContext, by_engine
from callwright.pipeline.bench import Bench, chosen, rows_of, run_bench, shared_tools
from callwright.pipeline.bench_file import Results
from callwright.types import Conversation, Ending

pytest.importorskip("mpmath", reason="the leaderboard's calculator needs it: pip install mpmath")
pytestmark = pytest.mark.skipif(not bfcl_installed(), reason="run: pip install --no-deps bfcl-eval==2026.3.23")

TEXTS = ["No.", '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>', "<tool_call>\n{"]
BENCH = Bench(("simple_java", "irrelevance", "multi_turn_base"), rows=6, together=4)


class Counted:
    """Answers by a fake engine, and how often it was asked; it fails at a time."""

    def __init__(self, fails_at: int = 0) -> None:
        self.asked, self._fails_at = 0, fails_at
        self._ask = by_engine(FakeEngine(TEXTS), hermes(), CharacterTokenizer(), Options())

    def __call__(self, rows: Sequence[Conversation]) -> Sequence[Answer]:
        self.asked += 1
        if self.asked == self._fails_at:
            raise KeyboardInterrupt
        return self._ask(rows)


def run(path: Path | None, ask: Counted, bench: Bench = BENCH) -> list[str]:
    with Results(path, {"model": "fake"}) as results:
        run_bench(bench, Respondent("base", ask, {}), results)
        return [row["id"] for row in rows_of(bench, results)]


def test_a_run_that_was_stopped_goes_on_to_the_same_file(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole.jsonl", Counted())
    assert len(whole) == 18
    for fails_at in (2, 3, 4, 5):
        path = tmp_path / f"{fails_at}.jsonl"
        with pytest.raises(KeyboardInterrupt):
            run(path, Counted(fails_at))
        # and what it was writing then is torn
        with path.open("ab") as file:
            file.write(b'{"id": "simple_java_9", "categ')
        assert run(path, Counted()) == whole
        assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    again = Counted()
    assert run(tmp_path / "whole.jsonl", again) == whole
    assert again.asked == 0


def test_a_block_torn_between_its_rows_is_asked_whole_and_each_row_stands_once(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    run(path, Counted())
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:4]))
    run(path, Counted())
    assert path.read_bytes() == whole


def test_results_of_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    Results(path, {"model": "a", "rows": 3}).close()
    with pytest.raises(RunError, match=r"other settings \(model\)"):
        Results(path, {"model": "b", "rows": 3})
    with Results(path, {"model": "a", "rows": 3}), pytest.raises(RunError, match="another run writes"):
        Results(path, {"model": "a", "rows": 3})
    path.write_text("what is this\n")
    with pytest.raises(RunError, match=r"results\.jsonl:1: is no line"):
        Results(path, {"model": "a", "rows": 3})


def test_rows_are_drawn_alike_each_time() -> None:
    first, again = chosen(BENCH, "irrelevance"), chosen(BENCH, "irrelevance")
    assert [row.id for row in first] == [row.id for row in again]
    assert len(first) == 6
    assert len(chosen(Bench(("simple_java",)), "simple_java")) == 100


def test_a_prompt_without_room_for_a_reply_is_an_error_in_its_place() -> None:
    engine = WithinContext(FakeEngine(["a", "b"]), context=20)
    prompts = [Prompt("", range(n), 0) for n in (5, 15, 8)]
    made = list(engine.complete(prompts, Options(max_new_tokens=10)))
    assert made == [Completion("a", Ending.STOP, 1), Completion("", Ending.ERROR, 0), Completion("b", Ending.STOP, 1)]


def test_rows_that_share_functions_with_training(tmp_path: Path) -> None:
    bench = Bench(("simple_python", "multi_turn_base"), rows=20)
    row = chosen(bench, "simple_python")[3]
    (tmp_path / "data").mkdir()
    line = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}
    tools = [*row.asked["function"], {"name": "mkdir", "description": "", "parameters": {}}]
    (tmp_path / "data" / "train.jsonl").write_text(json.dumps({**line, "tools": tools}) + "\n")
    found = shared_tools(bench, str(tmp_path))
    assert row.id in found
    backs = [one.id for one in chosen(bench, "multi_turn_base") if "GorillaFileSystem" in one.asked["involved_classes"]]
    assert len(backs) <= len(found) < 40


def test_killed_and_resumed_is_as_never_killed(tiny_model: str, tmp_path: Path) -> None:
    """The command itself, with a model of random weights, killed by a signal that nothing can catch."""
    words = ["eval", tiny_model, "--dialect", "hermes", "--bench", "bfcl:simple_java,irrelevance", "--rows", "100"]
    command = [sys.executable, "-m", "callwright", *words, "--max-new-tokens", "12", "--json", "--output"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [*command, str(tmp_path / "killed")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    path = tmp_path / "killed" / "base" / "results.jsonl"
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if path.is_file() and path.read_bytes().count(b"\n") > 33:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
    assert 33 < path.read_bytes().count(b"\n") < 201
    subprocess.run([*command, str(tmp_path / "killed")], check=True, stdout=subprocess.DEVNULL, env=environment)
    subprocess.run([*command, str(tmp_path / "whole")], check=True, stdout=subprocess.DEVNULL, env=environment)
    assert path.read_bytes() == (tmp_path / "whole" / "base" / "results.jsonl").read_bytes()
    assert (tmp_path / "killed/report.json").read_bytes() == (tmp_path / "whole/report.json").read_bytes()
