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
from callwright.pipeline.results import Results
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
    row, turns = chosen(bench, "simple_python")[3], chosen(bench, "multi_turn_base")
    files = [one.id for one in turns if "GorillaFileSystem" in one.asked["involved_classes"]]
    mkdir = next(tool for one in turns for tool in one.functions if tool["name"] == "mkdir")
    (tmp_path / "data").mkdir()
    line = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}
    tools = [*row.asked["function"], mkdir]
    (tmp_path / "data" / "train.jsonl").write_text(json.dumps({**line, "tools": tools}) + "\n")
    found = shared_tools(bench, str(tmp_path))
    assert set(found) == {row.id, *files}
    assert 0 < len(files) < len(turns)


SCRIPT = """
import sys, time
from pathlib import Path
from callwright.pipeline.asking import Respondent
from callwright.pipeline.bench import run_bench
from callwright.pipeline.results import Results
from test_bench import BENCH, Counted

counted = Counted()

def ask(rows):
    time.sleep(0.2)
    return counted(rows)

with Results(Path(sys.argv[1]), {"model": "fake"}) as results:
    run_bench(BENCH, Respondent("base", ask, {}), results)
"""


def test_killed_and_resumed_is_as_never_killed(tmp_path: Path) -> None:
    """By a signal that nothing can catch, between two blocks of rows."""
    path = tmp_path / "killed.jsonl"
    paths = [str(Path(__file__).parent), *(path for path in sys.path if path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(path)], env=environment)
    while process.poll() is None and not (path.is_file() and path.read_bytes().count(b"\n") > 4):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was done before it could be killed"
    assert 4 < path.read_bytes().count(b"\n") < 19
    run(path, Counted())
    run(tmp_path / "whole.jsonl", Counted())
    assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
