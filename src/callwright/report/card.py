"""A report -> Markdown for a model card: the verdict, tables with their intervals, and the command that made them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callwright.report.provenance import about, data_facts, environment_facts
from callwright.report.source import Source
from callwright.report.tables import Table, metrics_table, modes_table, tasks_table, tools_table
from callwright.report.words import verdict

_SPECIAL = re.compile(r"([\\`*_<>|~]|\](?=[(:]))")


def card(source: Source) -> str:
    """The Markdown, which ends with a line break. Equal input gives equal text."""
    return "\n\n".join(_parts(source)) + "\n"


def _parts(source: Source) -> Iterator[str]:
    yield "## Evaluation"
    yield f"**{plain(verdict(source))}**"
    facts = about(source)
    if "command" in facts:
        # four spaces, not a fence: a path may hold anything
        yield "Made by:\n\n    " + facts.pop("command")
    if source.main is not None:
        tasks = tasks_table(source)
        if tasks:
            yield "### Tasks"
            yield table(tasks)
        yield "### Metrics"
        yield table(metrics_table(source))
        tools = tools_table(source)
        if tools.rows:
            yield "### Tools"
            yield table(tools)
        modes = modes_table(source.scored[source.main].report.aggregates)
        if modes:
            yield "### What is wrong"
            yield table(modes)
    for heading, found in (("Data", data_facts(source)), ("Environment", facts | environment_facts(source))):
        if found:
            yield f"### {heading}"
            yield "\n".join(f"- {plain(name)}: {plain(text)}" for name, text in found.items())


def table(found: Table) -> str:
    """A table with its numbers to the right, and its note."""
    sides = ["--:" if number else ":--" for number in found.numbers]
    lines = [_row(found.columns), _row(sides, raw=True)]
    lines += [_row([cell.text for cell in row]) for row in found.rows]
    return "\n".join(lines) + (f"\n\n{plain(found.note)}" if found.note else "")


def plain(text: str) -> str:
    """Text that Markdown leaves as it is, on one line.

    >>> plain("a_b | <i>")
    'a\\\\_b \\\\| \\\\<i\\\\>'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _row(cells: list[str] | tuple[str, ...], *, raw: bool = False) -> str:
    return "| " + " | ".join(cell if raw else plain(cell) for cell in cells) + " |"
