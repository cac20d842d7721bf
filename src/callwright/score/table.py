"""Aggregates and failures -> rich tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from callwright.score.abstain import ABSTAINED, ASKED, CALLED
from callwright.score.failures import Failure
from callwright.score.modes import MODES
from callwright.score.run import ARGUMENTS, EXACT, NAMES, PARSE_FAILURE, SCHEMA
from callwright.score.strict import STRICT_JSON
from callwright.types import JsonObject

LABELS = {
    EXACT: "exact match",
    NAMES: "names",
    ARGUMENTS: "arguments",
    STRICT_JSON: "strict JSON",
    SCHEMA: "schema valid",
    CALLED: "calls when due",
    ABSTAINED: "abstains when due",
    ASKED: "asks when missing",
    PARSE_FAILURE: "parse failures",
}
"""Metric -> its row in the table, in order."""

NO_VALUE = "–"

Aggregates = Mapping[str, JsonObject]


def comparison_table(runs: Mapping[str, Aggregates], changes: Mapping[str, JsonObject] | None = None) -> Table:
    """Run name -> aggregates, as one column a run: "61.3% [55.0, 67.2]" is the value and its 95% interval.

    The rows of the categories stand below "exact match", of which they are parts. `changes`, metric -> difference on
    the same rows with its ends `low` and `high`, are a column of their own, in points.
    """
    table = Table(caption="value [95% interval]")
    table.add_column("metric", no_wrap=True)
    for name in runs:
        table.add_column(Text(name), justify="right", no_wrap=True)
    if changes:
        table.add_column("change, in points", justify="right", no_wrap=True)
    for metric, label in LABELS.items():
        # few test sets know which value a request lacks
        if metric == ASKED and not any((aggregates.get(ASKED) or {}).get("n") for aggregates in runs.values()):
            continue
        cells = [share_cell(aggregates.get(metric)) for aggregates in runs.values()]
        table.add_row(label, *cells, *([change_cell(changes.get(metric))] if changes else []))
        if metric == EXACT:
            _add_categories(table, list(runs.values()))
    table.add_row("n", *(Text(str(aggregates[EXACT]["n"])) for aggregates in runs.values()))
    return table


def tool_table(runs: Mapping[str, Aggregates]) -> Table:
    """Run name -> aggregates, as one row a tool: n gold calls, and a run's exact ones and spurious ones."""
    table = Table(caption="gold calls made exactly [95% interval] + calls nobody asked for")
    table.add_column("tool", no_wrap=True)
    table.add_column("n", justify="right")
    for name in runs:
        table.add_column(Text(name), justify="right", no_wrap=True)
    breakdowns = [aggregates.get("by_tool", {}) for aggregates in runs.values()]
    for tool in sorted({tool for breakdown in breakdowns for tool in breakdown}):
        found = [breakdown.get(tool) for breakdown in breakdowns]
        n = max(share["n"] for share in found if share)
        table.add_row(Text(tool), str(n), *(_tool_cell(share) for share in found))
    return table


def reliability_table(before: Sequence[tuple[float, float, int]], after: Sequence[tuple[float, float, int]]) -> Table:
    """Bins (mean probability, share right, calls), of plain and of calibrated probabilities, side by side."""
    table = Table(caption="calls in bins of equal counts, by how sure the model was")
    for name in ("plain", "right", "calibrated", "right", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    for (plain, share, _), (made, other, count) in zip(before, after, strict=True):
        table.add_row(f"{plain:.1%}", f"{share:.1%}", f"{made:.1%}", f"{other:.1%}", str(count))
    return table


def failures_table(failures: Sequence[Failure], limit: int = 20) -> Table:
    """The first `limit` failures: which row, what was asked, and the first thing that went wrong."""
    rest = len(failures) - limit
    table = Table(caption=f"{rest} more in failures.jsonl" if rest > 0 else None)
    table.add_column("row", overflow="fold")
    table.add_column("request", max_width=48)
    table.add_column("why", overflow="fold")
    for failure in failures[:limit]:
        table.add_row(*(_text(part) for part in (failure.where or failure.id, failure.request, failure.why)))
    return table


def modes_table(aggregates: Aggregates) -> Table:
    """In which ways rows failed: how many by their primary mode, how many it applies to, and a few of them."""
    table = Table(caption="failed rows: each once by what is worst in it, and all that a mode applies to")
    table.add_column("failed by", no_wrap=True)
    table.add_column("rows", justify="right")
    table.add_column("of all", justify="right")
    table.add_column("applies to", justify="right")
    table.add_column("such as", overflow="fold")
    total = aggregates[EXACT]["n"]
    for mode, counted in aggregates["by_mode"].items():
        share = f"{counted['n'] / total:.1%}"
        numbers = (str(counted["n"]), share, str(counted["rows"]))
        table.add_row(MODES[mode], *numbers, _text(", ".join(counted["examples"])))
    return table


def confusion_table(aggregates: Aggregates, limit: int = 12) -> Table:
    """The cells of the confusion matrix in which the tool due is not the one called, the fullest `limit` of them."""
    matrix = aggregates["confusion"]
    cells = [(due, called, n) for due, row in matrix.items() for called, n in row.items() if due != called]
    cells.sort(key=lambda cell: -cell[2])
    rest = len(cells) - limit
    table = Table(caption=f'{rest} more under "confusion" in report.json' if rest > 0 else None)
    for name in ("due", "called"):
        table.add_column(name, overflow="fold")
    table.add_column("times", justify="right")
    table.add_column("of those due", justify="right")
    for due, called, n in cells[:limit]:
        table.add_row(_text(due), _text(called), str(n), f"{n / sum(matrix[due].values()):.1%}")
    return table


def _add_categories(table: Table, runs: Sequence[Aggregates]) -> None:
    breakdowns = [aggregates.get("by_category", {}) for aggregates in runs]
    for category in sorted({category for breakdown in breakdowns for category in breakdown}):
        found = [breakdown.get(category) for breakdown in breakdowns]
        n = max(share["n"] for share in found if share)
        table.add_row(Text(f"  {category} (n={n})"), *(share_cell(share) for share in found))


def share_cell(share: JsonObject | None) -> Text:
    """ "61.3% [55.0, 67.2]"; a dash where nothing was judged."""
    if not share or share["value"] is None:
        return Text(NO_VALUE)
    return Text(f"{share['value']:.1%} [{100 * share['low']:.1f}, {100 * share['high']:.1f}]")


def change_cell(pair: JsonObject | None) -> Text:
    """ "+51.3 [+44.0, +57.1]", in points; nothing where nothing was compared."""
    if pair is None:
        return Text()
    return Text(f"{100 * pair['difference']:+.1f} [{100 * pair['low']:+.1f}, {100 * pair['high']:+.1f}]")


def _tool_cell(share: JsonObject | None) -> Text:
    cell = share_cell(share)
    return cell.append(f" + {share['spurious']}") if share and share["spurious"] else cell


def _text(words: str) -> Text:
    # Text, not str: brackets in a model's words are no markup, and half a surrogate pair cannot be printed.
    return Text(words.encode("utf-8", "backslashreplace").decode("utf-8"))
