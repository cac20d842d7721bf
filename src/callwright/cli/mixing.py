"""`callwright data dedupe | overlap | mix | augment | migrate`: what is done to whole sets of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callwright.cli.run import AsJson
from callwright.cli.scale import EngineOption, Shards, Workers

if TYPE_CHECKING:
    from callwright.data.mix import Source

Output = Annotated[str, typer.Argument(help="A .jsonl, .jsonl.gz, .json or .parquet file that does not exist yet.")]
File = Annotated[str, typer.Argument(help="Rows in any known format, or hub:OWNER/NAME.")]
Seed = Annotated[int, typer.Option("--seed", help="Another seed, other rows.")]


def dedupe(  # noqa: PLR0913  # one argument an option
    file: File,
    output: Output,
    threshold: Annotated[
        float,
        typer.Option("--threshold", help="Share of three-word runs that makes two requests alike; 0: only equal rows."),
    ] = 0.8,
    engine: EngineOption = "local",
    workers: Workers = None,
    shards: Shards = None,
    as_json: AsJson = False,
) -> None:
    """Leave out equal rows, and rows that make the same calls for nearly the same request."""
    from callwright.cli.console import err, print_json
    from callwright.data.dedupe import dedupe_file
    from callwright.scale import engine_for

    must_not_exist(output)
    kept, dropped = dedupe_file(file, output, threshold=threshold or None, engine=engine_for(engine, workers, shards))
    if as_json:
        print_json({"kept": kept, "equal": dropped.equal, "near": dropped.near})
        return
    for kind, pairs in (("equal to", dropped.equal), ("nearly", dropped.near)):
        for gone, stays in pairs[:5]:
            err.print(f"left out {gone}: {kind} {stays}")
    err.print(
        f"{kept} rows written to {output}; left out: {len(dropped.equal)} equal, {len(dropped.near)} nearly equal"
    )


def pairs(  # noqa: PLR0913  # one argument an option
    file: File,
    output: Annotated[str, typer.Argument(help="A .jsonl file that does not exist yet.")],
    failures: Annotated[
        str | None, typer.Option("--failures", help="A failures.jsonl of these rows: what a model wrote wrong.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="A way of making an answer wrong; all of them.")
    ] = None,
    per_row: Annotated[int, typer.Option("--per-row", min=0, help="So many made wrong for each row, at most.")] = 1,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make pairs of a right and a wrong answer for preference tuning ('dpo' in a recipe)."""
    from collections import Counter

    from callwright.cli.console import err, print_json
    from callwright.data import conversations
    from callwright.data.preferences import KINDS, corrupted, from_failures, write_pairs

    must_not_exist(output)
    rows = list(conversations(file))
    made = list(from_failures(rows, Path(failures))) if failures else []
    made += corrupted(rows, tuple(kind or KINDS), per_row, seed)
    write_pairs(Path(output), made)
    counts = dict(Counter(one.why for one in made))
    if as_json:
        print_json({"pairs": len(made), "kinds": counts})
        return
    err.print(f"{len(made)} pairs written to {output}: {', '.join(f'{n} {name}' for name, n in counts.items())}")


def overlap(
    file: File,
    test: Annotated[str, typer.Argument(help="The test file, or bfcl:CATEGORY.")],
    output: Annotated[str | None, typer.Option("--output", help="Write the training rows that share nothing.")] = None,
    tools: Annotated[
        bool, typer.Option("--tools", help="A shared tool is enough to leave a training row out.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find test rows that share requests (runs of eight words) or tools with training rows."""
    from callwright.cli.console import err, print_json
    from callwright.data import conversations, write
    from callwright.data.overlap import Seen, without_overlap
    from callwright.data.overlap import overlap as shared

    held = list(conversations(test))
    found = shared(Seen.of(conversations(file)), held)
    done = {"test_rows": len(held), "sharing": len(found.ids), "requests": found.requests, "tools": found.tools}
    if output:
        must_not_exist(output)
        kept, removed = without_overlap(list(conversations(file)), held, tools=tools)
        done |= {"kept": write(output, kept), "removed": len(removed)}
    if as_json:
        print_json(done)
        return
    for what, pairs in (("request", found.requests), ("tool", found.tools)):
        for row_id, shown in list(pairs.items())[:5]:
            err.print(f"{row_id}: {what} '{shown}'")
    err.print(
        f"{len(found.ids)} of {len(held)} test rows share something: "
        f"{len(found.requests)} a request, {len(found.tools)} a tool"
    )
    if output:
        err.print(f"{done['kept']} training rows written to {output}, {done['removed']} left out")


def mix(
    output: Output,
    sources: Annotated[list[str], typer.Argument(help="FILE, or FILE=WEIGHT, or FILE=WEIGHT:CAP, once a source.")],
    rows: Annotated[
        int | None, typer.Option("--rows", help="How many rows in all; without it, all that caps allow.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Mix sources by weight, seeded, with caps; a file of plain chat among them is replay against forgetting."""
    from callwright.cli.console import err, print_json
    from callwright.data import write
    from callwright.data.mix import mix as mixed

    must_not_exist(output)
    given = [_source(source) for source in sources]
    made = mixed(given, rows, seed)
    counts = {source.name: share for source, share in zip(given, made.shares, strict=True)}
    write(output, made.rows)
    if as_json:
        print_json({"rows": len(made.rows), "sources": counts})
        return
    err.print(
        f"{len(made.rows)} rows written to {output}: "
        + ", ".join(f"{count} of {name}" for name, count in counts.items())
    )


def _source(spec: str) -> Source:
    from callwright.data import conversations
    from callwright.data.mix import Source
    from callwright.errors import DataError

    path, _, numbers = spec.rpartition("=") if "=" in spec else (spec, "", "")
    weight, _, cap = numbers.partition(":")
    try:
        return Source(
            Path(path).name.split(".")[0], list(conversations(path)), float(weight or 1), int(cap) if cap else None
        )
    except ValueError:
        raise DataError(spec, "write FILE=WEIGHT or FILE=WEIGHT:CAP, as in train.jsonl=2:5000") from None


def augment(
    file: File,
    output: Output,
    kinds: Annotated[list[str], typer.Option("--kind", help="Which augmentation; may be given several times.")],
    copies: Annotated[float, typer.Option("--copies", help="Augmented rows for each row, 0.3 for three in ten.")] = 1.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Write the rows, and beside them rows with other tools, names, words, or nothing left to call."""
    import random

    from callwright.cli.console import err, print_json
    from callwright.data import conversations, write
    from callwright.data.augment import augmented

    must_not_exist(output)
    rows = list(conversations(file))
    made, counts = augmented(rows, kinds, copies, random.Random(seed))
    write(output, [*rows, *made])
    if as_json:
        print_json({"rows": len(rows), "augmented": counts})
        return
    err.print(f"{len(rows)} rows and {len(made)} more written to {output}: {counts}")


def migrate(
    file: File,
    output: Output,
    old: Annotated[str, typer.Option("--old", help="The tools that the rows were written for.")],
    new: Annotated[str, typer.Option("--new", help="The tools as they are now.")],
    as_json: AsJson = False,
) -> None:
    """Rewrite rows for changed tools; what renames and defaults cannot repair is left out and named."""
    from callwright.cli.console import err, print_json
    from callwright.data import conversations, write
    from callwright.data.migrate import Migration
    from callwright.tools import load_tools

    must_not_exist(output)
    migration = Migration.between(load_tools(old), load_tools(new))
    done = [(row, migration.migrate(row)) for row in conversations(file)]
    kept = write(output, [made.row for _, made in done if not made.broken])
    broken = [{"where": row.where or row.id, "why": list(made.broken)} for row, made in done if made.broken]
    repaired = sum(bool(made.repaired) and not made.broken for _, made in done)
    if as_json:
        print_json(
            {
                "changes": [str(change) for change in migration.changes],
                "kept": kept,
                "repaired": repaired,
                "broken": broken,
            }
        )
        return
    for entry in broken[:10]:
        err.print(f"{entry['where']}: {'; '.join(entry['why'])}")
    err.print(f"{kept} rows written to {output}, {repaired} of them repaired; {len(broken)} are broken and left out")


def must_not_exist(path: str) -> None:
    """Raises DataError for a file that is there: no verb overwrites."""
    from callwright.errors import DataError

    if Path(path).exists():
        raise DataError(path, "exists already; give another file")
