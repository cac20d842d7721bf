"""`callwright data review FILE`: a local page to accept, correct, reject and write rows."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callwright.cli.run import AsJson

if TYPE_CHECKING:
    import socket

    from callwright.types import Tool

EXAMPLE = "Example: callwright data review holdout.jsonl --tools tools.json"

_ENDINGS = (".jsonl", ".json", ".parquet", ".csv")


def review(  # noqa: PLR0913  # one argument an option
    file: Annotated[str, typer.Argument(help="Rows in any known format; it is only read.")],
    output: Annotated[str | None, typer.Option("--output", help="Where rows go; FILE.reviewed.jsonl without.")] = None,
    tools: Annotated[
        str | None,
        typer.Option("--tools", help="For rows that declare none, and for new rows; tools.json beside FILE without."),
    ] = None,
    only_reviewed: Annotated[
        bool, typer.Option("--only-reviewed", help="Leave rows that are not decided yet out of the output.")
    ] = False,
    port: Annotated[int, typer.Option("--port", help="0 takes any free port.")] = 8765,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    as_json: AsJson = False,
) -> None:
    """Look at rows in a page on this machine: accept, correct, reject, or write them.

    Every decision is on the disk before the page goes on. Ctrl-C ends; the same command goes on where it stopped.
    """
    from callwright.cli.console import err, print_json
    from callwright.errors import MissingExtra
    from callwright.review.app import make_app
    from callwright.review.store import open_review

    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("serve", "uvicorn") from None

    rows = _rows(file)
    given = _tools(Path(file), tools, needed=not all(row.tools for row in rows) or not rows)
    known = given or tuple({tool.name: tool for row in rows for tool in row.tools}.values())
    target = Path(output) if output else _beside(Path(file))
    opened = open_review(rows, known, target, only_reviewed=only_reviewed)
    app = make_app(opened, Path(file).name)
    listening = _listen(port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    err.print(f"{len(rows)} rows; the page is {url}\nrows go to {target}; Ctrl-C ends", soft_wrap=True)
    if browser:
        import webbrowser

        webbrowser.open(url)
    with suppress(KeyboardInterrupt):  # which uvicorn raises once more when it has ended
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
    progress = opened.progress()
    if as_json:
        print_json({"output": str(target), "rows": sum(1 for _ in opened.kept()), **progress})
    else:
        err.print(", ".join(f"{count} {status}" for status, count in progress.items() if count) or "no rows")


def _rows(file: str) -> list:
    """The rows, with those that are still to be written; none for an empty file. Raises DataError."""
    from callwright.data import read
    from callwright.errors import DataError
    from callwright.types import BadRow

    if Path(file).is_file() and Path(file).stat().st_size == 0:
        return []
    rows = []
    for row in read(file, todo=True):
        if isinstance(row, BadRow):
            raise DataError(row.where, row.why)
        rows.append(row)
    return rows


def _tools(file: Path, source: str | None, *, needed: bool) -> tuple[Tool, ...]:
    from callwright.errors import DataError
    from callwright.tools import load_tools

    beside = file.with_name("tools.json")
    if source is None and needed and beside.is_file():
        source = str(beside)
    if source is None and needed:
        raise DataError(str(file), "has rows without tools; say which there are with --tools")
    return load_tools(source) if source else ()


def _beside(file: Path) -> Path:
    name = file.name.removesuffix(".gz")
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return file.with_name(f"{name}.reviewed.jsonl")


def _listen(port: int) -> socket.socket:
    """A socket that only this machine reaches. Raises DataError where the port is taken."""
    import socket

    from callwright.errors import DataError

    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # a page that was left open may still hold connections of the last server
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise DataError(f"port {port}", f"cannot be opened ({error}); --port 0 takes a free one") from None
    listening.listen()
    return listening
