"""What was played of tasks <-> lines of a file, appended as they come, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from callwright.errors import RunError
from callwright.score.failures import write_atomically
from callwright.score.tasks import Played, Step
from callwright.types import BrokenCall, Ending, JsonObject, Reply, ToolCall

FILE = "tasks.jsonl"


class Journal:
    """The file `tasks.jsonl` of a folder: how it was asked, then a line for each task in order.

    Raises RunError where the folder holds tasks that were asked otherwise.
    """

    def __init__(self, folder: Path, asked: JsonObject) -> None:
        self.path = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        head, *lines = self._lines() or [{}]
        if head and head.get("asked") != asked:
            raise RunError(f"{self.path}: holds tasks that were asked otherwise; give another --output")
        self.done = [_played(line) for line in lines]
        # what a killed run left of its last line goes
        kept = [{"asked": asked}, *lines]
        write_atomically(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def add(self, played: Played) -> None:
        """Appends a task; it is on disk when this returns."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(played), default=_encoded) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> list[JsonObject]:
        return list(_whole(self.path)) if self.path.is_file() else []


def _whole(path: Path) -> Iterator[JsonObject]:
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            found = json.loads(line)
        except ValueError:
            return
        yield found


def _encoded(value: object) -> object:
    if isinstance(value, Ending):
        return value.value
    raise TypeError(f"{value!r} has no JSON form")


def _played(line: JsonObject) -> Played:
    turns = [[_step(step) for step in turn] for turn in line["turns"]]
    return Played(line["id"], line["executed"], turns, line["stopped"], line["state"], line["gold_state"])


def _step(line: JsonObject) -> Step:
    reply = line["reply"]
    made = Reply(
        reply["text"],
        tuple(ToolCall(**call) for call in reply["calls"]),
        tuple(BrokenCall(**broken) for broken in reply["broken"]),
        Ending(reply["ending"]),
        reply["thinking"],
    )
    return Step(made, line["raw"], tuple(line["results"]))
