"""The leaderboard's categories, asked of a model -> a file of results, row by row, and what they come to."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from callwright.data import conversations
from callwright.data.fields import Fields
from callwright.data.overlap import Seen, overlap
from callwright.pipeline.asking import Respondent
from callwright.pipeline.results import Results
from callwright.score.bfcl import Entry, entries, judge, leaderboard, question
from callwright.score.bfcl_gold import documented
from callwright.score.bfcl_turns import Backends, judge_play, play
from callwright.tools import load_tools
from callwright.types import Conversation, JsonObject

RESULTS = "results.jsonl"
_TOGETHER_IN_TURNS = 8
"""Rows of several turns are long, and held at once."""

Watch = Callable[[int, int], None]
"""How many rows are done, and of how many."""


@dataclass(frozen=True)
class Bench:
    """What is asked: categories, at most `rows` of each drawn with the seed, `together` of them at a time."""

    categories: tuple[str, ...]
    rows: int | None = None
    seed: int = 1
    together: int = 32

    def settings(self, asked: Respondent, options: JsonObject) -> JsonObject:
        """All that results depend on, but the categories: more of them can be asked later."""
        more = {"rows": self.rows, "seed": self.seed, "together": self.together}
        return {"bench": "bfcl", "version": leaderboard().version, **asked.about, **options, **more}


def chosen(bench: Bench, category: str) -> list[Entry]:
    """The rows of a category that are asked, in its order."""
    found = entries(category)
    if bench.rows is None or bench.rows >= len(found):
        return list(found)
    numbers = random.Random(bench.seed).sample(range(len(found)), bench.rows)
    return [found[number] for number in sorted(numbers)]


def run_bench(bench: Bench, asked: Respondent, results: Results, watch: Watch = lambda done, total: None) -> None:
    """Asks what has no result yet. Rows go in blocks, which a resumed run asks whole: what stands beside a row in a
    batch may move its last bits. Raises DataError, EngineError, RunError."""
    blocks = [block for category in bench.categories for block in _blocks(bench, category)]
    total, done = sum(map(len, blocks)), 0
    fields = Fields()
    with Backends() as backends:
        for block in blocks:
            if any(entry.id not in results.rows for entry in block):
                results.add(_played(block, asked, backends, fields) if block[0].turns else _asked(block, asked, fields))
            done += len(block)
            watch(done, total)


def rows_of(bench: Bench, results: Results) -> list[JsonObject]:
    """The results of what this bench asks, in its order."""
    wanted = [entry.id for category in bench.categories for entry in chosen(bench, category)]
    return [results.rows[key] for key in wanted if key in results.rows]


def _blocks(bench: Bench, category: str) -> Iterator[list[Entry]]:
    rows = chosen(bench, category)
    size = min(bench.together, _TOGETHER_IN_TURNS) if rows[0].turns else bench.together
    yield from (rows[start : start + size] for start in range(0, len(rows), size))


def _asked(block: Sequence[Entry], asked: Respondent, fields: Fields) -> list[JsonObject]:
    questions = [question(entry, fields) for entry in block]
    made = []
    for entry, row, answer in zip(block, questions, asked.ask(questions), strict=True):
        reply = answer.reply
        calls = [{"name": call.name, "arguments": call.arguments} for call in reply.calls]
        said = {"raw": answer.raw, "calls": calls, "ending": reply.ending.value}
        made.append({"id": entry.id, "category": entry.category, **asdict(judge(entry, row, reply)), **said})
    return made


def _played(block: Sequence[Entry], asked: Respondent, backends: Backends, fields: Fields) -> list[JsonObject]:
    plays = play(block, asked.ask, backends, fields)
    return [
        {
            **{"id": one.entry.id, "category": one.entry.category},
            **asdict(judge_play(one, backends)),
            **{"turns": one.replies, "ended": one.ended},
        }
        for one in plays
    ]


def shared_tools(bench: Bench, training: str) -> dict[str, str]:
    """Ids of rows that offer a function which training rows declare, or one of the same catalogue -> its name.

    training: a run's folder, a file of rows, or a Python file with the functions.
    """
    fields = Fields()
    rows = [
        Conversation(entry.id, fields.tools(_declared(entry), entry.id), ())
        for category in bench.categories
        for entry in chosen(bench, category)
    ]
    return overlap(Seen.of(_trained_on(Path(training))), rows).tools


def _declared(entry: Entry) -> list[JsonObject]:
    """The functions that a row offers at any time."""
    return documented(entry) if entry.turns else entry.asked["function"]


def _trained_on(path: Path) -> Iterator[Conversation]:
    if path.suffix == ".py":
        yield Conversation("tools", tuple(load_tools(str(path))), ())
        return
    yield from conversations(str(path / "data" / "train.jsonl" if path.is_dir() else path))
