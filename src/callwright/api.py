"""The whole path in Python: tools -> rows -> a tuned model -> its scores -> calls, and files for others.

    import callwright as cw

    tools = cw.load_tools("my_tools.py")
    rows = cw.make_rows(tools, 3000)
    run = cw.tune("smollm2-135m", rows, output="runs/mine", dialect="compact")
    print(cw.evaluate(run, "held_out.jsonl"))
    print(cw.open_model(run).ask("light on in the kitchen").calls)
    cw.export_model(run, "merged,gguf:q8_0", output="exports/mine")

Each function does what the verb of its name does on the command line, by the same code; a run that began here is gone
on with there, and the other way round.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from callwright.agent.loop import Model
from callwright.data import conversations, write
from callwright.data.toolset import declared
from callwright.errors import DataError, RecipeError
from callwright.generate.reply import Options
from callwright.models.bundled import cache_folder
from callwright.pipeline.evaluate import evaluate as asked
from callwright.pipeline.evaluate import open_subject
from callwright.pipeline.export import Exported, Wish, targets_of
from callwright.pipeline.export import export as exported
from callwright.pipeline.quiet import Quiet
from callwright.pipeline.rows import made_rows
from callwright.pipeline.run import Watcher, run_tools
from callwright.pipeline.run import run as walk
from callwright.pipeline.serving import Wanted, engine_named, open_served
from callwright.pipeline.trained import Trained, find_trained
from callwright.recipe import Eval, Synth, make_recipe
from callwright.score.failures import Failure
from callwright.score.run import EXACT, build_report, failures_of
from callwright.score.table import LABELS
from callwright.tools import load_tools, tool_to_json
from callwright.types import Conversation, JsonObject, Message, Reply, Report, Tool

__all__ = [
    "Caller",
    "Run",
    "Scores",
    "evaluate",
    "export_model",
    "load_rows",
    "load_run",
    "load_tools",
    "make_rows",
    "open_model",
    "tune",
]


@dataclass(frozen=True)
class Run:
    """What was tuned. folder: with adapter, rows, logs and reports. model: the base. tools: that it was trained with,
    none where rows brought their own."""

    folder: Path
    model: str
    tools: tuple[Tool, ...] = field(repr=False)
    trained: Trained = field(repr=False)
    reports: dict[str, Report] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Scores:
    """How rows were answered. report: every metric with its interval. failures: each miss, expected and got."""

    report: Report = field(repr=False)
    failures: tuple[Failure, ...] = field(repr=False)

    @property
    def exact_match(self) -> float:
        """The share of rows whose calls, or whose lack of calls, are exactly those expected."""
        return float(self.report.aggregates[EXACT]["value"])

    def __str__(self) -> str:
        lines = []
        for metric, label in LABELS.items():
            found = self.report.aggregates.get(metric)
            if found and found.get("value") is not None:
                low, high = (100 * found[key] for key in ("low", "high"))
                lines.append(f"{label:18} {100 * found['value']:5.1f}% [{low:.1f}, {high:.1f}]  n = {found['n']:,.0f}")
        return "\n".join(lines)


@dataclass
class Caller:
    """A model that was loaded, with the tools that it may call."""

    mind: Model
    tools: tuple[Tool, ...]

    def ask(
        self, request: str | Sequence[Message], tools: Sequence[Tool] | None = None, max_new_tokens: int = 256
    ) -> Reply:
        """A request, or a conversation that ends with one, -> the reply: `text`, `calls`, `broken`. tools: instead of
        the model's own. Raises RecipeError where there are none."""
        offered = self.tools if tools is None else tuple(tools)
        if not offered:
            raise RecipeError("this model has no tools of its own; give some: ask(request, tools)")
        said = (Message("user", request),) if isinstance(request, str) else tuple(request)
        return self.mind.answer(Conversation("ask", offered, said), Options(max_new_tokens=max_new_tokens)).reply

    @cached_property
    def dialect(self) -> str:
        """How the model writes calls."""
        return self.mind.dialect.name


def load_rows(path: str, tools: Sequence[Tool] = ()) -> list[Conversation]:
    """Rows in any format that is known, found by looking. tools: for rows that declare none. Raises DataError."""
    return [declared(row, tools) for row in conversations(path)]


def make_rows(tools: Sequence[Tool], count: int = 3000, **settings: Any) -> list[Conversation]:
    """Training rows from the tools alone. settings: the keys of a recipe's `synth`: seed, phrases, examples, plan,
    tools_per_row. Raises ToolError, DataError, RecipeError.

    >>> from callwright.types import Tool
    >>> tool = Tool("ring", "Ring a bell.", {"type": "object", "properties": {"times": {"type": "integer"}}})
    >>> len(make_rows([tool], 3, seed=1))
    3
    """
    recipe = make_recipe({"output": "-", "tools": {"source": "-"}, "synth": {"rows": count, **settings}}, "make_rows")
    assert isinstance(recipe.synth, Synth)
    return list(made_rows(recipe.synth, tools))


def tune(
    model: str,
    rows: str | Sequence[Conversation] | None = None,
    *,
    output: str | Path,
    tools: str | Sequence[Tool] | None = None,
    watch: Watcher | None = None,
    **settings: Any,
) -> Run:
    """Trains, and scores where `settings` has `eval`: all that `callwright run` does, finished steps skipped.

    rows: a file, or rows in memory, which are written beside the run so that it can be made again. tools: one set for
    all rows, a source or tools in memory. settings: a recipe's keys and parts: method="qlora", train={"steps": 100},
    lora={"r": 8}, eval={"data": "held_out.jsonl"}. Raises RecipeError for a wrong key, with the nearest one, and
    whatever a run raises; what was finished stays.
    """
    content: JsonObject = {"output": str(output), "model": model, **settings}
    if rows is not None:
        content["data"] = {**settings.get("data", {}), "train": rows if isinstance(rows, str) else _kept(rows, output)}
    if tools is not None:
        source = tools if isinstance(tools, str) else _kept_tools(tools, output)
        content["tools"] = {**settings.get("tools", {}), "source": source}
    outcome = walk(make_recipe(content, "tune"), watch or Quiet())
    return _run(outcome.folder, outcome.reports)


def load_run(folder: str | Path) -> Run:
    """A run that was tuned before, here or on the command line. Raises ModelError."""
    return _run(Path(folder), {})


def evaluate(
    subject: Run | str,
    rows: str | Sequence[Conversation],
    *,
    adapter: str | None = None,
    dialect: str = "auto",
    **settings: Any,
) -> Scores:
    """Asks for the last turn of every row and scores it. subject: a run, or a model by its name, with `adapter` or
    without. settings: the keys of a recipe's `eval`: constrain, max_new_tokens, mode, batch_size. Raises DataError."""
    trained = subject.trained if isinstance(subject, Run) else None
    folder = trained.adapter if trained else Path(adapter) if adapter else None
    held_out = load_rows(rows, subject.tools if isinstance(subject, Run) else ()) if isinstance(rows, str) else rows
    if not held_out:
        raise DataError("evaluate", "there are no rows to score")
    chosen = make_recipe({"output": "-", "data": {"train": "-"}, "eval": {"data": "-", **settings}}, "evaluate").eval
    assert isinstance(chosen, Eval)
    opened = open_subject(trained.model if trained else str(subject), folder, dialect)
    scores = asked(opened, held_out, chosen)
    return Scores(build_report(opened.name, scores), tuple(failures_of(scores)))


def open_model(
    subject: Run | str,
    *,
    adapter: str | None = None,
    tools: str | Sequence[Tool] | None = None,
    engine: str = "torch",
    constrain: bool = True,
) -> Caller:
    """Loads a run, or a model by its name, as it is served. engine: as `callwright serve --engine`. constrain: calls
    are held to the tools' schemas. Raises ModelError, MissingExtra."""
    trained = subject.trained if isinstance(subject, Run) else None
    folder = str(trained.adapter) if trained and trained.adapter else adapter
    wanted = Wanted(
        trained.model if trained else str(subject),
        (folder,) if folder else (),
        slots=1,
        engine=engine_named(engine),
        cache=cache_folder() / "prefixes",
    )
    (served,) = open_served(wanted)
    own = subject.tools if isinstance(subject, Run) and tools is None else ()
    offered = load_tools(tools) if isinstance(tools, str) else tuple(tools) if tools is not None else own
    mind = Model(served.engine, served.dialect, served.tokenizer, constrain, served.calibration)
    return Caller(mind, tuple(offered))


def export_model(run: Run | str, to: str, *, output: str | Path, **settings: Any) -> Exported:
    """Writes a run for others. to: as `callwright export --to`, "merged,gguf:q8_0". settings: dtype, rounded,
    converter, tools, as `callwright.pipeline.export.Wish` has them. Raises ModelError, RecipeError."""
    targets, weights = targets_of(to)
    trained = run.trained if isinstance(run, Run) else find_trained(Path(run))
    return exported(trained, Wish(targets, weights, **settings), Path(output))


def _run(folder: Path, reports: dict[str, Report]) -> Run:
    trained = find_trained(folder)
    return Run(folder, trained.model, run_tools(folder), trained, reports)


def _kept(rows: Sequence[Conversation], output: str | Path) -> str:
    """Rows of memory as a file beside the run's folder, named by what is in it."""
    if not rows:
        raise DataError("tune", "there are no rows to train on")
    words = "\n".join(repr(row) for row in rows)
    path = _beside(output, f"rows-{hashlib.sha256(words.encode()).hexdigest()[:12]}.jsonl")
    if not path.is_file():
        write(path, rows)
    return str(path)


def _kept_tools(tools: Sequence[Tool], output: str | Path) -> str:
    text = json.dumps([tool_to_json(tool) for tool in tools], indent=2, ensure_ascii=False) + "\n"
    path = _beside(output, f"tools-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json")
    path.write_text(text, encoding="utf-8")
    return str(path)


def _beside(output: str | Path, name: str) -> Path:
    folder = Path(f"{output}.given")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name
