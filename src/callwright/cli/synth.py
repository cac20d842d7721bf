"""`callwright synth TOOLS OUTPUT`: training rows for your tools, made here or by a teacher model, each checked."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callwright.cli.made import Wanted, make, shares_of
from callwright.cli.mixing import Output, Seed, must_not_exist
from callwright.cli.run import AsJson
from callwright.errors import CallwrightError

if TYPE_CHECKING:
    from callwright.synth.endpoint import Endpoint
    from callwright.synth.teacher import Taught, Teaching
    from callwright.types import Tool

EXAMPLE = (
    "Example: callwright synth examples/home/tools.py train.jsonl --rows 2000 --phrases examples/home/phrases.yaml"
)

Source = Annotated[str, typer.Argument(help="Where tools come from, as for 'tools show'.")]
Rows = Annotated[int, typer.Option("--rows", help="How many rows.", min=1)]
Phrases = Annotated[str | None, typer.Option("--phrases", help="A phrasebook (YAML), for rows without a teacher.")]
Teacher = Annotated[str | None, typer.Option(help="An OpenAI-compatible endpoint, as http://localhost:8000/v1.")]
TeacherModel = Annotated[str | None, typer.Option(help="The teacher's model.")]
Cap = Annotated[int | None, typer.Option(help="The most tokens that the teacher may cost, earlier runs included.")]
Seeds = Annotated[str | None, typer.Option(help="Rows of your own, in any format: their wordings are used again.")]
Shares = Annotated[
    list[str] | None, typer.Option("--share", help="NAME=SHARE of a category, as parallel=0.2; the rest is single.")
]
PerRow = Annotated[str | None, typer.Option("--tools-per-row", help="FROM-TO tools in a row, as 1-12; else all.")]
Concurrency = Annotated[int, typer.Option(help="Questions at once.", min=1)]
Judge = Annotated[str | None, typer.Option(help="The endpoint of a second teacher, that checks every row.")]
JudgeModel = Annotated[str | None, typer.Option(help="The judge's model.")]
JudgeCap = Annotated[int | None, typer.Option(help="The most tokens that the judge may cost.")]
Execute = Annotated[bool, typer.Option("--execute", help="Run your functions with the calls that were made up.")]
RejectedFile = Annotated[str | None, typer.Option(help="Where rejected rows go; OUTPUT.rejected.jsonl without it.")]
Licence = Annotated[str, typer.Option(help="The rows' licence, kept with each.")]

Failures = Annotated[
    str | None, typer.Option("--from-failures", help="A report.json or its folder: rows of what failed there.")
]
Pool = Annotated[
    str | None, typer.Option(help="With --from-failures: rows of your own, the nearest of which are half of the rows.")
]


def synth(  # noqa: PLR0913  # one argument an option
    tools: Source,
    output: Output,
    rows: Rows = 1000,
    seed: Seed = 0,
    phrases: Phrases = None,
    teacher: Teacher = None,
    teacher_model: TeacherModel = None,
    cap: Cap = None,
    seeds: Seeds = None,
    share: Shares = None,
    tools_per_row: PerRow = None,
    concurrency: Concurrency = 4,
    judge: Judge = None,
    judge_model: JudgeModel = None,
    judge_cap: JudgeCap = None,
    execute: Execute = False,
    rejected: RejectedFile = None,
    licence: Licence = "",
    from_failures: Failures = None,
    pool: Pool = None,
    as_json: AsJson = False,
) -> None:
    """Make rows from a phrasebook, your own requests or the tools alone, or by a teacher model.

    Exits with 1 where rows are lacking. What a teacher answers is kept in OUTPUT.journal: the same command, run again
    after an interruption, goes on there and asks nothing twice. Keys are read from OPENAI_API_KEY and, for a judge
    elsewhere, from JUDGE_API_KEY.
    """
    from callwright.synth.prompts import Style
    from callwright.synth.teacher import SHARES, Teaching
    from callwright.tools import load_tools

    must_not_exist(output)
    if rejected:
        must_not_exist(rejected)
    asked = _endpoint("--teacher", teacher, teacher_model, ("--cap", cap))
    checked = _endpoint("--judge", judge, judge_model, ("--judge-cap", judge_cap))
    if asked is None:
        if judge:
            raise CallwrightError("--judge goes with a teacher: give --teacher, --teacher-model and --cap too")
        if pool and not from_failures:
            raise CallwrightError("--pool holds rows near failures: give --from-failures too")
        if from_failures and share:
            raise CallwrightError("--from-failures has shares of its own, those of what failed: leave --share out")
        chosen = (share or (), tools_per_row, execute, rejected, licence, from_failures, pool)
        wanted = Wanted(tools, rows, seed, phrases, seeds, *chosen)
        make(wanted, output, as_json=as_json)
        return
    if from_failures:
        raise CallwrightError("--from-failures is for rows without a teacher: leave it out, or the teacher")
    if phrases or tools_per_row:
        raise CallwrightError("--phrases and --tools-per-row are for rows without a teacher: leave them out, or it")
    if checked is not None:
        # one provider's key is not shown to another
        key = asked.key_variable if checked.host == asked.host else "JUDGE_API_KEY"
        checked = replace(checked, concurrency=concurrency, key_variable=key)
    asked = replace(asked, concurrency=concurrency)
    journals = Path(f"{output}.journal"), Path(f"{output}.judge.journal")
    shares = shares_of(share) if share else SHARES
    settings = Teaching(rows, asked, journals[0], checked, journals[1], shares, Style(seed), licence=licence)
    taught = _taught(load_tools(tools), seeds, settings, tools if execute else None)
    _keep(taught, output, rejected or f"{output}.rejected.jsonl", as_json)


def _endpoint(option: str, url: str | None, model: str | None, cap: tuple[str, int | None]) -> Endpoint | None:
    """The endpoint that three options name together, or None where they name none."""
    from callwright.synth.endpoint import Endpoint

    if url is None and model is None and cap[1] is None:
        return None
    if url is None or model is None or cap[1] is None:
        raise CallwrightError(f"{option}, {option}-model and {cap[0]} go together: give all three, or none")
    if not url.startswith(("http://", "https://")):
        raise CallwrightError(f"{option} {url}: give an address that begins with http:// or https://")
    return Endpoint(url, model, cap[1])


def _taught(tools: tuple[Tool, ...], seeds: str | None, settings: Teaching, execute: str | None) -> Taught:
    from callwright.data import conversations
    from callwright.synth.execute import Runner
    from callwright.synth.teacher import teach

    own = list(conversations(seeds)) if seeds else []
    if execute is None:
        return teach(tools, own, settings)
    with Runner(execute, tools) as runner:
        return teach(tools, own, settings, runner.call)


def _keep(taught: Taught, output: str, rejected: str, as_json: bool) -> None:
    from callwright.cli.console import err, print_json
    from callwright.data import write

    write(output, taught.rows)
    # of an earlier, interrupted run there may be an older one: the answers in it are in the journal, and so in this one
    with Path(rejected).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row.to_json()) + "\n" for row in taught.rejected)
    kinds = dict(Counter(row.kind for row in taught.rejected).most_common())
    if as_json:
        told = {"rows": len(taught.rows), "lacking": taught.lacking, "rejected": kinds, "capped": taught.capped}
        spent = {"tokens": taught.tokens, "judge_tokens": taught.judge_tokens}
        print_json({**told, **spent, "unanswered": taught.unanswered})
    else:
        why = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        err.print(f"{len(taught.rows)} rows written to {output}")
        err.print(f"{len(taught.rejected)} rejected, in {rejected}" + (f": {why}" if why else ""))
        err.print(f"tokens: {taught.tokens:,} of the teacher, {taught.judge_tokens:,} of the judge")
        for key, reason in list(taught.unanswered.items())[:3]:
            err.print(f"question {key}: {reason}")
        if taught.lacking:
            lacking = ", ".join(f"{count} {category}" for category, count in taught.lacking.items())
            cause = (
                "a cap of tokens is met: raise it" if taught.capped else "too many were rejected: see why, or add seeds"
            )
            err.print(f"lacking: {lacking}; {cause}, remove {output} and run again: nothing is asked twice")
    raise typer.Exit(1 if taught.lacking else 0)
