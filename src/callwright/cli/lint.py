"""A LintReport -> a table for people."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from callwright.cli.console import out
from callwright.data.lint import KINDS, LintReport


def print_report(report: LintReport) -> None:
    """Problems by kind with counts and the first rows of each, then one line that sums it up."""
    found = [kind for kind in KINDS if report.counts[kind]]
    if found:
        table = Table()
        table.add_column("problem", no_wrap=True)
        table.add_column("count", justify="right")
        table.add_column("first rows", overflow="fold")
        for kind in found:
            about = KINDS[kind]
            label = f"{kind}\n[dim]{about.severity}{', fixable' if about.fixable else ''}[/dim]"
            rows = "\n".join(escape(f"{p.where or p.row_id}: {p.why}") for p in report.first[kind])
            table.add_row(label, f"{report.counts[kind]:,}", rows)
        out.print(table)
    out.print(f"{report.rows:,} rows, {report.bad_rows:,} of them with errors")
