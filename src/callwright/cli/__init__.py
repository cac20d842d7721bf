"""The command line: one file a verb. Results go to stdout, progress and errors to stderr; user errors exit with 2."""

from __future__ import annotations

import io
import sys

from callwright.errors import CallwrightError


def main() -> None:
    """The console script. Prints one line for an error of the user's, never a traceback."""
    from callwright.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # rows are quoted in messages, and JSON can escape half of a surrogate pair
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except CallwrightError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\ninterrupted; finished steps and checkpoints are kept: run the same command again", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # a reader such as `head` that has seen enough
        sys.stderr.close()
        sys.exit(0)
