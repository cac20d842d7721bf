"""`callwright eval MODEL --bench bfcl`: the leaderboard's rows, its checker's verdicts and ours, resumable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from callwright.types import JsonObject

if TYPE_CHECKING:
    from callwright.generate.reply import Options
    from callwright.pipeline.asking import Respondent
    from callwright.pipeline.scoring import Asked
    from callwright.recipe import Eval

MOST_TOKENS = 512
"""Of a reply: four parallel calls with their arguments do not fit what a usual reply takes."""


@dataclass(frozen=True)
class Wish:
    """What the command line said. bench: `bfcl`, or `bfcl:` and categories. base: the model without its adapter too."""

    bench: str
    asked: Asked
    base: bool
    output: Path | None
    train_tools: str | None


def bench(wish: Wish, settings: Eval, as_json: bool) -> None:
    """Asks, keeps results in OUTPUT/NAME/results.jsonl, and prints what they come to. Raises CallwrightError."""
    from callwright.cli.console import Terminal
    from callwright.errors import RecipeError
    from callwright.pipeline.bench import RESULTS, Bench, rows_of, run_bench, shared_tools
    from callwright.pipeline.evaluate import options_of
    from callwright.pipeline.results import Results
    from callwright.pipeline.scoring import check_asked
    from callwright.score.bfcl import categories_of, leaderboard

    name, _, wanted = wish.bench.partition(":")
    if name != "bfcl":
        raise RecipeError(f"--bench '{wish.bench}': give bfcl, or bfcl:CATEGORY,CATEGORY")
    check_asked(wish.asked)
    if wish.base and wish.asked.adapter is None:
        raise RecipeError("--base asks the model without its adapter too; there is no --adapter")
    if wish.base and wish.asked.endpoint:
        raise RecipeError("--base with --endpoint: a server answers as one model; ask twice, by its two names")
    leaderboard()
    plan = Bench(categories_of(wanted), settings.rows, settings.seed, settings.batch_size)
    # what is wrong with it is said before hours of asking
    shared = shared_tools(plan, wish.train_tools) if wish.train_tools else {}
    options, watch = options_of(settings), Terminal()
    runs: dict[str, list[JsonObject]] = {}
    how = {"mode": options.mode, "constrain": options.constrain, "max_new_tokens": options.max_new_tokens}
    for one in _respondents(wish.asked, wish.base, options, settings.batch_size):
        path = wish.output / _folder(one.name) / RESULTS if wish.output else None
        with Results(path, plan.settings(one, how)) as results:
            watch.step(one.name, False)
            run_bench(plan, one, results, lambda done, total, name=one.name: watch.scoring(name, done, total))  # type: ignore[misc]
            runs[one.name] = rows_of(plan, results)
        watch.close()
    _report(wish, runs, shared, as_json)


def _folder(name: str) -> str:
    """A name as a folder's: servers name models by paths too."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "model"


def _report(wish: Wish, runs: dict[str, list[JsonObject]], shared: dict[str, str], as_json: bool) -> None:
    """Writes report.json, and prints it or its tables."""
    from callwright.cli.console import out, print_json
    from callwright.pipeline.folder import write_json
    from callwright.score.bfcl_table import bench_table, changes_table, differences_table, missing_words, summary

    made: JsonObject = {"runs": {name: summary(rows) for name, rows in runs.items()}}
    if wish.train_tools:
        apart = {name: [row for row in rows if row["id"] not in shared] for name, rows in runs.items()}
        made |= {"shared": shared, "without_shared": {name: summary(rows) for name, rows in apart.items()}}
    if wish.output:
        write_json(wish.output / "report.json", made)
    if as_json:
        print_json(made)
        return
    out.print(bench_table(runs))
    if len(runs) > 1:
        out.print(changes_table(runs))
    if shared:
        out.print(f"without the {len(shared):,} rows that offer a function of {wish.train_tools}:")
        out.print(bench_table(runs, without=shared))
    elif wish.train_tools:
        out.print(f"no row offers a function of {wish.train_tools}")
    out.print(differences_table(runs))
    out.print(missing_words(next(iter(made["runs"].values()))))


def _respondents(asked: Asked, base: bool, options: Options, batch_size: int) -> Iterator[Respondent]:
    """The model without its adapter, where that is wished, and the model."""
    from callwright.pipeline.asking import as_served, at_endpoint, locally
    from callwright.pipeline.serving import Wanted, engine_named
    from callwright.pipeline.trained import trained_dialect

    trained = Path(asked.adapter) if asked.adapter else None
    if asked.endpoint:
        rendered = (asked.rendered, trained, asked.dialect) if asked.rendered else None
        yield at_endpoint(asked.endpoint, asked.model, rendered, options)
        return
    # both are asked in the same words
    dialect = trained_dialect(asked.dialect, trained)
    for adapter in (None, trained) if base else (trained,):
        if asked.engine or asked.model.endswith(".gguf"):
            adapters = (str(adapter),) if adapter else ()
            by = engine_named(asked.engine or "auto")
            yield as_served(Wanted(asked.model, adapters, dialect=dialect, engine=by), options)
        else:
            yield locally(asked.model, adapter, dialect, options, batch_size)
