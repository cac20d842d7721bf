"""`callwright data stats`: what a data set holds, as a table, as JSON, or as a page with charts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callwright.cli.run import AsJson
from callwright.types import BadRow, Conversation

if TYPE_CHECKING:
    from callwright.data.stats import DataStats, Measure

EXAMPLE = "Example: callwright data stats train.jsonl --html stats.html"

_MOST = 12


def stats(  # noqa: PLR0913  # one argument an option
    file: Annotated[str, typer.Argument(help="Rows in any known format, hub:OWNER/NAME or bfcl:CATEGORY.")],
    model: Annotated[
        str, typer.Option("--model", help="The model whose tokenizer counts; 'none' to count characters only.")
    ] = "smollm2-135m",
    dialect: Annotated[str, typer.Option("--dialect", help="Count tokens as this dialect writes rows.")] = "auto",
    tools: Annotated[str | None, typer.Option("--tools", help="Tools for rows that declare none.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first N rows.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write a page with charts; it opens offline.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Count categories, tools, lengths in tokens, argument types, languages, provenance, and what no row shows."""
    from callwright.cli.console import err, out, pairs, print_json
    from callwright.data import read
    from callwright.data.stats import stats as count

    if html:
        from callwright.cli.mixing import must_not_exist

        must_not_exist(str(html))
    measure, tokens_of = _measure(model, dialect)
    rows = _Rows(tools)
    found = count(rows.good(read(file, limit=limit)), measure)
    notes = [*tokens_of, *rows.notes()]
    if found.unwritable:
        notes.append(f"{found.unwritable} rows cannot be written in this dialect and have no tokens")
    if html:
        from callwright.report.data import write_data_page

        write_data_page(found, html, Path(file).name, notes)
        err.print(f"page written to {html}")
    if as_json:
        print_json(found.to_json() | {"bad_rows": rows.bad, "notes": notes})
        return
    out.print(pairs({name: text.replace("[", "\\[") for name, text in _facts(found, notes).items()}))


class _Rows:
    """Good rows as they pass, and how many were not."""

    def __init__(self, tools: str | None) -> None:
        from callwright.tools import load_tools

        self.bad = 0
        self._first: BadRow | None = None
        self._tools = load_tools(tools) if tools else ()

    def good(self, rows: Iterator[Conversation | BadRow]) -> Iterator[Conversation]:
        from callwright.data.toolset import declared

        for row in rows:
            if isinstance(row, Conversation):
                yield declared(row, self._tools)
            else:
                self.bad += 1
                self._first = self._first or row

    def notes(self) -> list[str]:
        if self._first is None:
            return []
        return [f"{self.bad} rows cannot be read, the first: {self._first.where}: {self._first.why}"]


def _measure(model: str, dialect: str) -> tuple[Measure | None, list[str]]:
    """What counts tokens, and a sentence that says how."""
    if model == "none":
        return None, []
    from callwright.dialects import dialect_for
    from callwright.models.tokenizer import load_tokenizer
    from callwright.pipeline.sizes import sizes_in

    tokenizer = load_tokenizer(model)
    written = dialect_for(dialect, tokenizer)
    return sizes_in(written, tokenizer), [f"tokens of {model} in the dialect {written.name}"]


def _facts(found: DataStats, notes: list[str]) -> dict[str, str]:
    facts = {
        "rows": f"{found.rows:,} rows, {found.turns:,} turns, {found.calls:,} calls",
        "categories": _counted([each for each in found.categories if each[1]]),
        "tools": f"{len(found.calls_by_tool):,} in {found.distinct_tool_sets:,} sets",
        "most called": _counted([each for each in found.calls_by_tool if each[1]]),
        "never called": _listed(found.never_called),
        "not declared": _counted(found.undeclared),
    }
    for name, lengths in found.lengths.items():
        facts[name] = (
            f"mean {lengths.mean:,.1f}, p50 {lengths.p50:,}, p90 {lengths.p90:,}, p95 {lengths.p95:,}, "
            f"p99 {lengths.p99:,}, most {lengths.most:,}"
        )
    facts |= {
        "argument types": _counted(found.argument_types),
        "languages": _counted(found.languages),
        "sources": _counted(found.sources),
        **{key: _counted(values) for key, values in found.provenance.items()},
        "coverage": ", ".join(
            f"{name.replace('_', ' ')} {each['shown']:,} of {each['declared']:,}"
            for name, each in found.coverage.items()
        ),
        "gaps": _listed(found.gaps),
        "notes": "; ".join(notes),
    }
    return {name: text for name, text in facts.items() if text}


def _counted(counts: list[tuple[str, int]] | tuple[tuple[str, int], ...]) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in counts[:_MOST])
    return f"{shown}, and {len(counts) - _MOST:,} more" if len(counts) > _MOST else shown


def _listed(names: tuple[str, ...]) -> str:
    shown = "; ".join(names[:_MOST])
    return f"{len(names):,}: {shown}" + ("; ..." if len(names) > _MOST else "") if names else ""
