"""The half of `callwright synth` that needs no teacher: options -> rows, what was refused, and a table of coverage."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from callwright.errors import CallwrightError

if TYPE_CHECKING:
    from callwright.synth import Options, Recorder
    from callwright.types import Conversation, JsonObject, Tool

# of a pool so many rows that these tools cannot answer, as a share of those that they can
_REFUSED = 0.2


@dataclass(frozen=True)
class Wanted:
    """The options of the verb, as they were typed."""

    source: str
    rows: int
    seed: int
    phrases: str | None
    examples: str | None
    shares: Sequence[str]
    per_row: str | None
    execute: bool
    rejected: str | None
    licence: str
    failures: str | None = None
    pool: str | None = None


def make(wanted: Wanted, output: str, *, as_json: bool) -> None:
    """Writes the rows, the refused ones where a file is named for them, and says what the rows cover."""
    from callwright.cli.console import err, print_json
    from callwright.data import write
    from callwright.score.failures import load_failures
    from callwright.synth import generate, load_phrasebook
    from callwright.synth.focus import focus_of
    from callwright.tools import load_tools

    tools = load_tools(wanted.source)
    book = load_phrasebook(wanted.phrases, tools) if wanted.phrases else None
    failures = load_failures(wanted.failures) if wanted.failures else []
    own = _own(wanted, failures, tools)
    with ExitStack() as stack:
        options, recorder = _options(wanted, tools, stack)
        if failures:
            options = replace(options, focus=focus_of(failures, tools))
        made = [*own, *generate(tools, book, wanted.rows - len(own), wanted.seed, options)]
    write(output, made)
    if wanted.rejected:
        lines = (json.dumps(entry, ensure_ascii=True) + "\n" for entry in recorder.rejected)
        Path(wanted.rejected).write_text("".join(lines), encoding="utf-8")
    told = _told(tools, made, recorder)
    if wanted.failures:
        told |= {"failures": len(failures), "own": len(own)}
    if as_json:
        print_json(told)
        return
    err.print(f"{len(made)} rows written to {output}")
    if wanted.failures:
        err.print(f"for {len(failures)} failures; {len(own)} rows are your own, of {wanted.pool or 'no pool'}")
        err.print("measure what they do on other held-out rows than those that failed")
    _print(told)


def _own(wanted: Wanted, failures: Sequence[JsonObject], tools: Sequence[Tool]) -> list[Conversation]:
    """The rows of the pool nearest to the failures, at most half of what is wanted."""
    from callwright.data import conversations
    from callwright.data.toolset import with_tools
    from callwright.synth.focus import nearest

    if wanted.pool is None:
        return []
    rows, names = list(conversations(wanted.pool)), {tool.name for tool in tools}
    fitted = with_tools(rows, tools, _REFUSED)
    # a row that calls nothing is right only among the tools that it was written for
    uncalled = (row for row in rows if not any(message.calls for message in row.messages))
    fitted += [row for row in uncalled if {tool.name for tool in row.tools} == names]
    return nearest(fitted, failures, wanted.rows // 2)


def _options(wanted: Wanted, tools: Sequence[Tool], stack: ExitStack) -> tuple[Options, Recorder]:
    from callwright.data import conversations
    from callwright.synth import Options, Plan, Recorder
    from callwright.synth.execute import Runner

    recorder = Recorder()
    runner = stack.enter_context(Runner(wanted.source, tools)) if wanted.execute else None
    options = Options(
        plan=Plan.of(shares_of(wanted.shares)) if wanted.shares else Plan(),
        per_row=_span(wanted.per_row),
        result_of=(lambda call: runner.call(call).text) if runner else None,
        examples=tuple(conversations(wanted.examples)) if wanted.examples else (),
        licence=wanted.licence,
        rejected=recorder,
    )
    return options, recorder


def shares_of(given: Sequence[str]) -> dict[str, float]:
    """Shares by category. Raises CallwrightError for what is not NAME=NUMBER.

    >>> shares_of(["parallel=0.2", "no_call=0.1"])
    {'parallel': 0.2, 'no_call': 0.1}
    """
    shares = {}
    for entry in given:
        name, _, number = entry.partition("=")
        try:
            shares[name] = float(number)
        except ValueError:
            raise CallwrightError(f"--share {entry}: write NAME=NUMBER, as in parallel=0.2") from None
    return shares


def _span(given: str | None) -> tuple[int, int] | None:
    if given is None:
        return None
    low, _, high = given.partition("-")
    try:
        span = int(low), int(high or low)
    except ValueError:
        span = (0, 0)
    if not 1 <= span[0] <= span[1]:
        raise CallwrightError(f"--tools-per-row {given}: write FROM-TO, as in 1-12")
    return span


def _told(tools: Sequence[Tool], made: Sequence[Conversation], recorder: Recorder) -> JsonObject:
    from callwright.data.coverage import Coverage
    from callwright.data.variety import distinct, self_bleu

    coverage = Coverage.of(tools, made)
    requests = [row.messages[0].text for row in made]
    return {
        "rows": len(made),
        "categories": dict(Counter(row.source.rpartition(":")[2] for row in made).most_common()),
        "rejected": dict(Counter(entry["why"].partition(":")[0] for entry in recorder.rejected).most_common()),
        "distinct_4": round(distinct(requests), 4),
        "self_bleu": round(self_bleu(requests), 4),
        "coverage": coverage.to_json(),
        "not_covered": coverage.gaps(),
    }


def _print(told: JsonObject) -> None:
    from rich.table import Table

    from callwright.cli.console import err, out

    table = Table("tool", "calls", "parameters: given, left out", "values of a closed choice")
    for name, counts in told["coverage"].items():
        given = ", ".join(f"{p} {c['given']}, {c['left_out']}" for p, c in counts["parameters"].items())
        closed = [f"{p}: {_listed(c['values'])}" for p, c in counts["parameters"].items() if "values" in c]
        table.add_row(name, str(counts["calls"]), given, "\n".join(closed))
    out.print(table)
    categories = ", ".join(f"{count} {name}" for name, count in told["categories"].items())
    rejected = ", ".join(f"{count} {why}" for why, count in told["rejected"].items()) or "none"
    err.print(f"categories: {categories}")
    err.print(f"rejected:   {rejected}")
    err.print(f"variety:    distinct-4 {told['distinct_4']:.3f}, self-BLEU {told['self_bleu']:.3f}")
    for gap in told["not_covered"][:10]:
        err.print(f"not covered: {gap}")


def _listed(values: JsonObject) -> str:
    return ", ".join(f"{value} {count}" for value, count in values.items())
