"""Schema lint of 60,000 rows: Callwright's own checks against a check with the jsonschema package, in one run.

    python benchmarks/lint.py [--rows N] [--output FILE]

The rows are the xLAM-shaped file repeated with new ids. Both look at the same rows in memory: is every called tool
declared, do its arguments fit its schema, is the schema one, does every result answer a call. The peer is what a user
would write: Draft 2020-12, one validator for each different schema, kept for the whole run. From the file to findings
is a second pair of figures; there the peer reads with json.load and normalises types as our reader does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from callwright.data import conversations
from callwright.data.lint import Linter
from callwright.schema import normalise
from callwright.types import Conversation
from common import write_result
from data import make_file

_RUNS = 3


def ours(rows: Iterable[Conversation]) -> int:
    """Rows with an error, by data.lint: these checks and all its others."""
    linter = Linter()
    wanted = {"undeclared tool", "wrong arguments", "double-encoded", "null argument", "unpaired result"}
    return sum(any(problem.kind in wanted for problem in linter.check(row)) for row in rows)


class Peer:
    """The same questions put to jsonschema."""

    def __init__(self) -> None:
        self._validators: dict[int, tuple[Any, Draft202012Validator | None]] = {}

    def validator(self, parameters: dict[str, Any]) -> Draft202012Validator | None:
        """One validator a schema object: rows share equal tools, so that identity is the fastest fair key."""
        known = self._validators.get(id(parameters))
        if known is None:
            closed = {"additionalProperties": False, **parameters}
            try:
                Draft202012Validator.check_schema(closed)
                known = parameters, Draft202012Validator(closed)
            except SchemaError:
                known = parameters, None
            self._validators[id(parameters)] = known
        return known[1]

    def is_wrong(
        self, tools: dict[str, dict[str, Any]], turns: Sequence[tuple[str, Sequence[tuple[str, Any]]]]
    ) -> bool:
        """`tools`: parameters by name; `turns`: (role, calls)."""
        wrong = False
        waiting = 0
        for parameters in tools.values():
            self.validator(parameters)
        for role, calls in turns:
            wrong |= role == "tool" and waiting <= 0
            waiting = waiting - 1 if role == "tool" else len(calls)
            for name, arguments in calls:
                if name not in tools:
                    wrong = True
                    continue
                validator = self.validator(tools[name])
                wrong |= validator is None or any(True for _ in validator.iter_errors(arguments))
        return wrong


def theirs(rows: Iterable[Conversation]) -> int:
    peer = Peer()
    return sum(
        peer.is_wrong(
            {tool.name: tool.parameters for tool in row.tools},
            [(message.role, [(call.name, call.arguments) for call in message.calls]) for message in row.messages],
        )
        for row in rows
    )


def theirs_from_file(path: str) -> int:
    """json.load, then the JSON in the columns; equal tools are normalised and compiled once."""
    peer = Peer()
    known: dict[str, dict[str, Any]] = {}
    wrong = 0
    with Path(path).open(encoding="utf-8") as file:
        given = json.load(file)
    for row in given:
        tools = {}
        for tool in json.loads(row["tools"]):
            key = json.dumps(tool["parameters"])
            if key not in known:
                known[key] = normalise(tool["parameters"])
            tools[tool["name"]] = known[key]
        calls = [(call["name"], call["arguments"]) for call in json.loads(row["answers"])]
        wrong += peer.is_wrong(tools, [("user", ()), ("assistant", calls)])
    return wrong


def compared(what: str, sides: dict[str, Callable[[], int]]) -> dict[str, Any]:
    """Seconds of the wall, the best of some runs that take turns, and what was found."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    found = {}
    for _ in range(_RUNS):
        for name, work in sides.items():
            start = time.perf_counter()
            found[name] = work()
            seconds[name].append(round(time.perf_counter() - start, 3))
            print(f"{what}, {name}: {seconds[name][-1]} s", file=sys.stderr, flush=True)
    best = {name: min(values) for name, values in seconds.items()}
    return {"seconds": seconds, "rows_with_errors": found, "ratio": round(best["jsonschema"] / best["callwright"], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--output", help="write the result to this JSON file too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "rows.json")
        make_file(Path(path), options.rows)
        rows = list(conversations(path))
        result = {
            "rows": options.rows,
            "in_memory": compared("in memory", {"callwright": lambda: ours(rows), "jsonschema": lambda: theirs(rows)}),
            "from_file": compared(
                "from the file",
                {"callwright": lambda: ours(conversations(path)), "jsonschema": lambda: theirs_from_file(path)},
            ),
        }
    write_result("lint", result)
    if options.output:
        Path(options.output).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
