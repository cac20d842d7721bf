"""What was played of tasks <-> rows of a file of results."""

from __future__ import annotations

from dataclasses import asdict

from callwright.pipeline.replies import reply_from_json, reply_to_json
from callwright.score.tasks import Played, Step
from callwright.types import JsonObject

TASKS = "tasks.jsonl"


def played_to_json(played: Played) -> JsonObject:
    """A task as it was played, as plain JSON."""
    turns = [[{**asdict(step), "reply": reply_to_json(step.reply)} for step in turn] for turn in played.turns]
    return {**asdict(played), "turns": turns}


def played_from_json(row: JsonObject) -> Played:
    """What `played_to_json` gave, after JSON too."""
    turns = [
        [Step(reply_from_json(step["reply"]), step["raw"], tuple(step["results"])) for step in turn]
        for turn in row["turns"]
    ]
    return Played(row["id"], row["executed"], turns, row["stopped"], row["state"], row["gold_state"])
