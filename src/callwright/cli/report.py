"""`callwright report FOLDER`: the pages of a run or an evaluation, written anew from what its folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callwright.cli.run import AsJson

EXAMPLE = "Example: callwright report runs/home"


def report(
    folder: Annotated[str, typer.Argument(help="A folder of `callwright run`, or of `callwright eval --output`.")],
    as_json: AsJson = False,
) -> None:
    """Write report.html, which opens offline, and report.md, for a model card, into the folder."""
    from callwright.cli.console import out, print_json
    from callwright.report.run import write_run_report
    from callwright.report.source import read_source
    from callwright.report.words import verdict

    told = verdict(read_source(Path(folder)))
    page = write_run_report(Path(folder))
    if as_json:
        print_json({"verdict": told, "html": str(page), "markdown": str(page.with_suffix(".md"))})
        return
    out.print(told, markup=False)
    out.print(f"{page}, {page.with_suffix('.md')}", markup=False)
