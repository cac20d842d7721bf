"""`callwright data ...`: look at rows, check them, convert, count and split."""

from __future__ import annotations

from typing import Annotated

import typer

from callwright.cli import checked, convert, mixing, review, split, stats
from callwright.cli.mixing import must_not_exist
from callwright.cli.run import AsJson
from callwright.cli.scale import EngineOption, Shards, Workers
from callwright.types import BadRow, Conversation

app = typer.Typer(
    no_args_is_help=True, help="Data: look at rows, check them, convert, count, split.", rich_markup_mode=None
)

app.command("dedupe", epilog="Example: callwright data dedupe train.jsonl clean.jsonl")(mixing.dedupe)
app.command("overlap", epilog="Example: callwright data overlap train.jsonl bfcl:live_simple --tools")(mixing.overlap)
app.command("mix", epilog="Example: callwright data mix mixed.jsonl calls.jsonl=3 chat.jsonl=1:2000 --rows 8000")(
    mixing.mix
)
app.command("augment", epilog="Example: callwright data augment train.jsonl more.jsonl --kind rename --kind withhold")(
    mixing.augment
)
app.command("pairs", epilog="Example: callwright data pairs train.jsonl pairs.jsonl --failures failures.jsonl")(
    mixing.pairs
)
app.command("migrate", epilog="Example: callwright data migrate train.jsonl new.jsonl --old v1.json --new v2.json")(
    mixing.migrate
)

app.command("review", epilog=review.EXAMPLE)(review.review)
app.command("convert", epilog=convert.EXAMPLE)(convert.convert)
app.command("stats", epilog=stats.EXAMPLE)(stats.stats)
app.command("split", epilog=split.EXAMPLE)(split.split)
app.command("verify", epilog=checked.EXAMPLE)(checked.verify)

File = Annotated[str, typer.Argument(help="A .json, .jsonl or .parquet file, plain or gzipped, in any known format.")]
Model = Annotated[str, typer.Option("--model", help="The model whose tokenizer counts.")]
DialectOption = Annotated[
    str, typer.Option("--dialect", help="'auto', 'native', 'hermes' or another of 'callwright dialects'.")
]
Limit = Annotated[int | None, typer.Option("--limit", help="Only the first N rows.")]
FormatOption = Annotated[str | None, typer.Option("--format", help="The row format, where it is not known by itself.")]


@app.command("show", epilog="Example: callwright data show train.jsonl --row 3 --dialect xlam")
def show(
    file: File,
    row: Annotated[int, typer.Option("--row", help="Which row, from 1.")] = 1,
    model: Model = "smollm2-135m",
    dialect: DialectOption = "auto",
    tools: Annotated[str | None, typer.Option("--tools", help="Tools for rows that declare none.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print one row as the model will see it, coloured by what is trained, with exact token counts."""
    from callwright.cli.console import out, pairs, print_json
    from callwright.cli.row import coloured, facts
    from callwright.data import canonical
    from callwright.dialects import dialect_for
    from callwright.dialects.tokenise import render
    from callwright.dialects.weights import by_meaning
    from callwright.models.tokenizer import load_tokenizer

    found = _nth(file, row, tools)
    tokenizer = load_tokenizer(model)
    written = dialect_for(dialect, tokenizer)
    segments = list(by_meaning(written.segments(found), written.family))
    rendered = render(found, written, tokenizer)
    if as_json:
        parts = [{"kind": s.kind.value, "weight": s.weight, "text": s.text} for s in segments]
        tokens = {"token_ids": list(rendered.token_ids), "weights": list(rendered.weights)}
        print_json({"row": canonical.to_row(found), "segments": parts, "prefix_len": rendered.prefix_len, **tokens})
        return
    out.print(coloured(segments), soft_wrap=True)
    out.print(pairs(facts(found, written.name, segments, rendered)))


@app.command("lint", epilog="Example: callwright data lint train.jsonl --fix clean.jsonl")
def lint(  # noqa: PLR0913  # one argument an option
    file: File,
    model: Model = "smollm2-135m",
    dialect: DialectOption = "auto",
    max_length: Annotated[int | None, typer.Option("--max-length", help="Report rows of more tokens.")] = None,
    fix: Annotated[
        str | None, typer.Option("--fix", help="Write rows, with what is safe mended, to this file.")
    ] = None,
    limit: Limit = None,
    data_format: FormatOption = None,
    tools: Annotated[str | None, typer.Option("--tools", help="Tools for rows that declare none.")] = None,
    engine: EngineOption = "local",
    workers: Workers = None,
    shards: Shards = None,
    as_json: AsJson = False,
) -> None:
    """Check every row. Exits with 1 where an error is found (after --fix: is left), 0 otherwise.

    --fix leaves rows out that still have errors, and says how many.
    """
    from callwright.cli.console import err, print_json
    from callwright.cli.lint import print_report
    from callwright.models.tokenizer import load_tokenizer
    from callwright.pipeline.lint import Lint, lint_file
    from callwright.scale import engine_for
    from callwright.tools import load_tools

    longest = max_length or min(load_tokenizer(model).model_max_length, 1 << 20)
    given = load_tools(tools) if tools else ()
    how = Lint(model, dialect, longest, given, lenient=fix is not None, mend=fix is not None)
    if fix:
        must_not_exist(fix)
    report, kept = lint_file(
        file, how, output=fix, format=data_format, limit=limit, engine=engine_for(engine, workers, shards)
    )
    if fix:
        err.print(f"{kept} rows written to {fix}, {report.rows - kept} with errors left out")
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report)
    raise typer.Exit(1 if report.errors else 0)


def _nth(file: str, number: int, tools: str | None) -> Conversation:
    from itertools import islice

    from callwright.data import read
    from callwright.data.toolset import declared
    from callwright.errors import DataError
    from callwright.tools import load_tools

    found = next(islice(read(file), number - 1, None), None) if number > 0 else None
    if found is None:
        raise DataError(file, f"has no row {number}")
    if isinstance(found, BadRow):
        raise DataError(found.where, found.why)
    return declared(found, load_tools(tools) if tools else ())
