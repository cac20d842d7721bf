"""The walk: rows -> lint -> train -> evaluate base and tuned -> report. Finished steps are skipped when run again."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from callwright import __version__
from callwright.data import conversations, write
from callwright.data.preferences import read_pairs
from callwright.data.sources import is_named
from callwright.dialects.views import all_views
from callwright.errors import DataError
from callwright.models import kernels
from callwright.models.load import load_model
from callwright.models.tokenizer import load_tokenizer
from callwright.pipeline.check import Checker, lint_rows
from callwright.pipeline.choose import apart, judge_of
from callwright.pipeline.environment import digest, environment, made_by
from callwright.pipeline.evaluate import Subject, evaluate, report
from callwright.pipeline.folder import RunFolder, claim, write_json
from callwright.pipeline.replies import REPLIES, in_blocks
from callwright.pipeline.results import Results
from callwright.pipeline.retention import Kept, abstention, check, followed, perplexity, retention_rows
from callwright.pipeline.rewards import player_of
from callwright.pipeline.rows import account_facts, scored_rows, training_rows
from callwright.pipeline.trained import TRAINED, trained_call_token, with_adapter
from callwright.pipeline.tune import Prepared, Watchers, prepare, prepare_asked, prepare_pairs, settings_of, tune
from callwright.pipeline.workshop import Workshop, open_workshop
from callwright.recipe import Dpo, Eval, Recipe, Retention
from callwright.report.run import write_run_report
from callwright.score.abstain import ABSTAINED, CALLED
from callwright.score.failures import read_report
from callwright.score.run import ARGUMENTS, EXACT, RowScore
from callwright.score.stats import compare, compare_means
from callwright.tools import tool_from_json, tool_to_json
from callwright.train.processes import first_alone, is_first, part
from callwright.train.progress import Progress
from callwright.types import Conversation, JsonObject, Report, Tool

_ACCOUNT = Path("data") / "rows.json"


class Watcher(Protocol):
    """Whoever shows the run: the terminal, a notebook, nobody."""

    def step(self, name: str, skipped: bool) -> None: ...

    def facts(self, facts: dict[str, str]) -> None: ...

    def training(self, progress: Progress) -> None: ...

    def chosen(self, step: int, score: float) -> None: ...

    def scoring(self, name: str, done: int, total: int) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What a run ended with; `reports` by name ('base', 'tuned'), empty where the recipe has no 'eval'."""

    folder: Path
    trained: Path
    reports: dict[str, Report]
    summary: JsonObject


def run(recipe: Recipe, watch: Watcher) -> Outcome:
    """Walks every step of a recipe. Raises CallwrightError with what is finished kept in the folder."""
    check_inputs(recipe)
    started = time.monotonic()
    workshop, folder = enter(recipe)
    train_steps(recipe, workshop, folder, watch, resume=True)
    if not is_first():
        return Outcome(folder.path, folder.path / TRAINED[recipe.method], {}, {})
    if recipe.retention is not None:
        _check_retention(recipe, recipe.retention, workshop, folder, watch)
    reports = _evaluate(recipe, workshop, folder, watch) if recipe.eval else {}
    summary = _summary(recipe, folder, reports, time.monotonic() - started)
    write_json(folder.path / "report.json", summary)
    write_run_report(folder.path)
    return Outcome(folder.path, folder.path / TRAINED[recipe.method], reports, summary)


def enter(recipe: Recipe) -> tuple[Workshop, RunFolder]:
    """The recipe's workshop and folder; of several processes the first claims it."""
    with first_alone():
        return open_workshop(recipe), claim(recipe)


def check_inputs(recipe: Recipe) -> None:
    """Everything that a recipe names must be there before hours are spent, and before a folder is made."""
    named = [("data.train", source.file) for source in recipe.data.sources]
    named += [("data.exclude", exclusion.file) for exclusion in recipe.data.exclude]
    named += [("eval.data", recipe.eval.data)] if recipe.eval else []
    named += [("dpo.pairs", recipe.dpo.pairs)] if recipe.dpo else []
    choose = recipe.train.choose
    named += [("train.choose.data", choose.data)] if choose and choose.data else []
    named += [("retention.data", recipe.retention.data)] if recipe.retention else []
    named += [("synth.phrases", recipe.synth.phrases)] if recipe.synth and recipe.synth.phrases else []
    for key, path in named:
        if not is_named(path) and not Path(path).is_file():
            raise DataError(path, f"there is no such file ('{key}' in the recipe)")


def train_steps(recipe: Recipe, workshop: Workshop, folder: RunFolder, watch: Watcher, *, resume: bool) -> None:
    """Rows, lint and training, each skipped where it is done. The first process makes the rows; at the end all part."""
    with first_alone():
        skipped = folder.done("rows")
        watch.step("rows and lint", skipped)
        if not skipped and recipe.dpo is None:
            _make_rows(recipe, workshop, folder, watch)
        elif not skipped and recipe.dpo is not None:
            _keep_tools(recipe.dpo, folder)
    skipped = folder.done("train")
    watch.step("train", skipped)
    if not skipped:
        prepared, dev = _prepare(recipe, workshop, folder)
        settings = settings_of(recipe, len(prepared.examples), workshop.hardware.precision)
        machine = workshop.hardware
        chosen = {
            "model": f"{recipe.model}, dialect {workshop.dialect.name}",
            "machine": f"{machine.device}, {machine.threads} threads ({machine.why['device']})",
            "precision": f"{machine.precision} ({machine.why['precision']})",
            "method": recipe.method + (f", beginning with {recipe.adapter}" if recipe.adapter else ""),
            "steps": f"{settings.steps} of {settings.plan.batch_size} {_counted(recipe)}",
        }
        if machine.device == "cpu":
            missing = kernels.load()
            chosen["kernels"] = f"PyTorch's ({missing})" if missing else "C++, built for this CPU"
        watch.facts(prepared.facts() | chosen)
        judge = judge_of(recipe, dev, workshop) if dev else None
        player = player_of(recipe, prepared, workshop) if recipe.grpo else None
        watchers = Watchers(watch.training, watch.chosen)
        tune(recipe, prepared, workshop, folder, watchers, resume=resume, judge=judge, player=player)
        if is_first():
            folder.mark("train")
    part()


def _counted(recipe: Recipe) -> str:
    """What a batch is a number of."""
    return "pairs" if recipe.dpo else "replies" if recipe.grpo else "rows"


def _prepare(recipe: Recipe, workshop: Workshop, folder: RunFolder) -> tuple[Prepared, list[Conversation]]:
    """What is trained on, as tokens, and the rows that checkpoints are chosen by."""
    if recipe.dpo is not None:
        pairs = list(read_pairs(Path(recipe.dpo.pairs)))
        _, dev = apart([], recipe)
        return prepare_pairs(pairs, workshop, recipe.train.max_length), dev
    if recipe.grpo is not None:
        return prepare_asked(list(conversations(folder.path / "data" / "train.jsonl")), workshop, recipe), []
    rows, dev = apart(list(conversations(folder.path / "data" / "train.jsonl")), recipe)
    return prepare(rows, workshop, recipe.train.max_length, recipe.train.weights), dev


def _make_rows(recipe: Recipe, workshop: Workshop, folder: RunFolder, watch: Watcher) -> None:
    """Rows are checked while they still know the user's own file and line, and written once they are clean."""
    made = training_rows(recipe)
    checker = Checker(workshop.dialect, workshop.tokenizer, recipe.train.max_length)
    rows = all_views(_with_replay(recipe, made.conversations), workshop.dialect)
    kept = lint_rows(rows, checker, folder.path / "lint.json", drop=recipe.data.bad_rows == "drop")
    if not kept:
        raise DataError(str(folder.path / "lint.json"), "every row has an error; nothing is left to train on")
    write(folder.path / "data" / "train.jsonl", kept)
    write_json(folder.path / "data" / "tools.json", [tool_to_json(tool) for tool in made.tools])
    found = ", ".join(f"{count} {kind}" for kind, count in checker.report.counts.items())
    account = made.account.as_json()
    write_json(folder.path / _ACCOUNT, account)
    facts = account_facts(account) | {
        "rows": f"{len(made.conversations):,}, {len(kept):,} kept",
        "lint": found or "nothing found",
    }
    if made.tools:
        facts["tools"] = f"{len(made.tools)}: {', '.join(tool.name for tool in made.tools)}"
    if made.bad:
        facts["unreadable"] = f"{len(made.bad)} left out; the first: {made.bad[0].where}: {made.bad[0].why}"
    if made.account.examples:
        facts["left out"] = f"{made.account.examples[0]} (more in {folder.path / _ACCOUNT})"
    watch.facts(facts)
    folder.mark("rows")


def _keep_tools(settings: Dpo, folder: RunFolder) -> None:
    """The tool set of the pairs, where they have one, for the rows that are scored."""
    sets = {json.dumps([tool_to_json(tool) for tool in pair.chosen.tools]) for pair in read_pairs(Path(settings.pairs))}
    (folder.path / "data").mkdir(exist_ok=True)
    write_json(folder.path / "data" / "tools.json", json.loads(sets.pop()) if len(sets) == 1 else [])


def _with_replay(recipe: Recipe, rows: Sequence[Conversation]) -> list[Conversation]:
    """The rows, and those of plain chat that `retention.replay` asks for among them."""
    settings = recipe.retention
    if settings is None or not settings.replay:
        return list(rows)
    _, replayed = retention_rows(settings, round(settings.replay * len(rows)))
    return [*rows, *replayed]


def run_tools(folder: Path) -> tuple[Tool, ...]:
    """The fixed tool set that a run was trained with; () where rows brought their own."""
    file = folder / "data" / "tools.json"
    rows = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return tuple(tool_from_json(row, str(file)) for row in rows)


def _evaluate(recipe: Recipe, workshop: Workshop, folder: RunFolder, watch: Watcher) -> dict[str, Report]:
    assert recipe.eval is not None
    settings = recipe.eval
    rows = scored_rows(recipe, run_tools(folder.path))
    marker = {**settings.model_dump(mode="json"), "sha256": digest(rows)}
    reports = {}
    for name in ["base", "tuned"] if settings.base else ["tuned"]:
        target = folder.path / name
        skipped = folder.done(f"evaluate {name}", marker)
        watch.step(f"evaluate {name}", skipped)
        if not skipped:
            subject = _subject(recipe, workshop, folder, name)
            started = time.monotonic()
            with Results(target / REPLIES, marker, anew=True) as results:
                scores = in_blocks(
                    rows, partial(_asked, subject, settings), results, name, _counter(watch, name, len(rows))
                )
            command = shlex.join(["callwright", "run", str(folder.path / "recipe.json")])
            report(name, scores, target, made_by(command, settings.data, rows, time.monotonic() - started))
            folder.mark(f"evaluate {name}", marker)
            # of a model that may be trained anew, they would be those of the old one
            (target / REPLIES).unlink()
        reports[name] = read_report(target / "report.json")
    return reports


def _check_retention(
    recipe: Recipe, settings: Retention, workshop: Workshop, folder: RunFolder, watch: Watcher
) -> None:
    """The perplexity of plain chat, of the base and of what was trained from it."""
    marker = settings.model_dump(mode="json")
    skipped = folder.done("retention", marker)
    watch.step("retention", skipped)
    if skipped:
        return
    rows, _ = retention_rows(settings)
    longest = recipe.train.max_length
    asked, tools = rows[: settings.answers], run_tools(folder.path)
    found, quiet, obeyed, tokens = [], [], [], 0
    for name in ("base", "tuned"):
        subject = _subject(recipe, workshop, folder, name)
        value, tokens = perplexity(subject.model, rows, replace(workshop, tokenizer=subject.tokenizer), longest)
        found.append(value)
        quiet.append(abstention(subject, asked, tools))
        obeyed.append(followed(subject, settings.instructions))
    kept = Kept(
        *(len(rows), tokens, found[0], found[1], len(asked), quiet[0], quiet[1]), settings.instructions, *obeyed
    )
    watch.facts(kept.facts())
    check(kept, settings, folder.path)
    folder.mark("retention", marker)


def _asked(
    subject: Subject, settings: Eval, rows: Sequence[Conversation], watch: Callable[[int], None]
) -> list[RowScore]:
    return evaluate(subject, rows, settings, watch)


def _counter(watch: Watcher, name: str, total: int) -> Callable[[int], None]:
    return lambda done: watch.scoring(name, done, total)


def _subject(recipe: Recipe, workshop: Workshop, folder: RunFolder, name: str) -> Subject:
    if name == "tuned" and recipe.method == "full":
        model = load_model(str(folder.path / TRAINED["full"]), workshop.hardware)
    else:
        adapter = folder.path / TRAINED[recipe.method] if name == "tuned" else recipe.adapter
        model = load_model(recipe.model, workshop.hardware)
        if adapter is not None:
            model = with_adapter(model, Path(adapter))
    # what the run began from has no row for a token that training added, unless its own adapter brought one
    began = Path(recipe.adapter) if recipe.adapter is not None else None
    fresh = name == "base" and workshop.new_token is not None and trained_call_token(began) is None
    return Subject(name, model, load_tokenizer(recipe.model) if fresh else workshop.tokenizer, workshop.dialect)


def _summary(recipe: Recipe, folder: RunFolder, reports: dict[str, Report], seconds: float) -> JsonObject:
    account = folder.path / _ACCOUNT
    summary: JsonObject = {
        "callwright": __version__,
        "environment": environment(),
        "recipe": recipe.as_json(),
        "rows": json.loads(account.read_text(encoding="utf-8")) if account.is_file() else None,
        "seconds": round(seconds, 1),
        "scores": {name: made.aggregates for name, made in reports.items()},
    }
    if "base" in reports and "tuned" in reports:
        summary["base_against_tuned"] = {
            metric: {
                "rows": pair.rows,
                "only_base_right": pair.only_base,
                "only_tuned_right": pair.only_tuned,
                "mcnemar_p": pair.p_value,
                "difference": pair.difference,
                "low": pair.interval.low,
                "high": pair.interval.high,
            }
            for metric in (EXACT, CALLED, ABSTAINED)
            if (pair := compare(reports["base"], reports["tuned"], metric)).rows
        }
        means = compare_means(reports["base"], reports["tuned"], ARGUMENTS)
        if means.rows:
            summary["base_against_tuned"][ARGUMENTS] = {
                "rows": means.rows,
                "difference": means.difference,
                "low": means.interval.low,
                "high": means.interval.high,
            }
    return summary
