"""What a folder says of itself -> the facts of a report: what was trained, on which rows, where, and how fast."""

from __future__ import annotations

from collections.abc import Iterator

from callwright.report.source import Source
from callwright.report.tables import Cell, Table
from callwright.types import JsonObject


def about(source: Source) -> dict[str, str]:
    """The facts under the verdict."""
    recipe, made = source.recipe, _made(source)
    facts = {}
    if recipe:
        facts["model"] = f"{recipe.get('model')}, {recipe.get('method')}, dialect {recipe.get('dialect')}"
    command = made.get("command") or (f"callwright run {source.folder}/recipe.json" if recipe else "")
    if command:
        facts["command"] = command
    data = made.get("data") or {}
    if data:
        facts["rows"] = f"{data['rows']:,} of {data['file']}"
    if source.environment.get("commit"):
        facts["commit"] = source.environment["commit"]
    return facts


def environment_facts(source: Source) -> dict[str, str]:
    """Versions and the machine."""
    names = {"llama-cpp-python": "llama.cpp (llama-cpp-python)"}
    return {names.get(name, name): str(value) for name, value in source.environment.items()}


def data_facts(source: Source) -> dict[str, str]:
    """Where rows came from, how many went in, and which were held out."""
    facts = {f"trained on {file}": _counts(counts) for file, counts in (source.rows.get("sources") or {}).items()}
    added = source.rows.get("added") or {}
    facts |= {"augmented": _counts(added)} if added else {}
    if source.lint:
        found = ", ".join(f"{count} {kind}" for kind, count in (source.lint.get("problems") or {}).items())
        facts["lint"] = f"{source.lint.get('rows', 0):,} rows, {source.lint.get('errors', 0):,} errors"
        facts["lint"] += f": {found}" if found else ""
    if source.retention:
        kept = source.retention
        told = f"perplexity {kept['before']:.2f} before, {kept['after']:.2f} after ({kept['rise']:+.1%})"
        facts["plain chat"] = f"{told}, of {kept['rows']:,} rows"
        if kept.get("instructions"):
            shares = f"{kept['followed_before']:.1%} before, {kept['followed_after']:.1%} after"
            facts["instructions followed"] = f"{shares}, of {kept['instructions']}"
    data = _made(source).get("data") or {}
    if data:
        facts["scored on"] = f"{data['rows']:,} rows of {data['file']}"
        facts["their SHA-256"] = data["sha256"]
    return facts


def time_table(source: Source) -> Table | None:
    """How long scoring took, and latencies where a report has them, in milliseconds."""
    rows = list(_times(source))
    if not rows:
        return None
    note = "Rows a second is throughput: they are asked in batches."
    return Table(("what", "value"), tuple(rows), note)


def _times(source: Source) -> Iterator[tuple[Cell, ...]]:
    for name, scored in source.scored.items():
        seconds, rows = scored.report.made.get("seconds"), (scored.report.made.get("data") or {}).get("rows")
        if seconds and rows:
            yield Cell(f"{name}: seconds for {rows:,} rows"), Cell(f"{seconds:,.1f}", float(seconds))
            yield Cell(f"{name}: rows a second"), Cell(f"{rows / seconds:,.2f}", rows / seconds)
        timed = scored.report.aggregates.get("latency") or {}
        for key, value in ((key, value) for key, value in timed.items() if key != "n"):
            yield Cell(f"{name}: one row alone, {key}, ms"), Cell(f"{value:,.1f}", float(value))
    if source.metrics:
        last = source.metrics[-1]
        if isinstance(last.get("elapsed_s"), (int, float)):
            yield Cell("training: seconds"), Cell(f"{last['elapsed_s']:,.1f}", float(last["elapsed_s"]))
    if source.seconds:
        yield (
            Cell("the whole command, when it ran last: seconds"),
            Cell(f"{source.seconds:,.1f}", float(source.seconds)),
        )


def _counts(counts: JsonObject) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


def _made(source: Source) -> JsonObject:
    return source.scored[source.main].report.made if source.main else {}
