"""Replies <-> JSON; and rows scored in blocks whose replies are kept as they come, so that a killed run goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from callwright.pipeline.environment import digest
from callwright.pipeline.results import Results
from callwright.score.run import RowScore, score_row
from callwright.types import BrokenCall, Conversation, Ending, JsonObject, Reply, ToolCall

REPLIES = "replies.jsonl"
_BLOCK = 256


def reply_to_json(reply: Reply) -> JsonObject:
    """A reply as plain JSON."""
    return {**asdict(reply), "ending": reply.ending.value}


def reply_from_json(row: JsonObject) -> Reply:
    """What `reply_to_json` gave, after JSON too.

    >>> said = Reply("", (ToolCall("f", {"x": 1}),), (BrokenCall("{", "at 1"),), Ending.LENGTH, "hm")
    >>> reply_from_json(reply_to_json(said)) == said
    True
    """
    return Reply(
        row["text"],
        tuple(ToolCall(**call) for call in row["calls"]),
        tuple(BrokenCall(**broken) for broken in row["broken"]),
        Ending(row["ending"]),
        row["thinking"],
    )


def in_blocks(
    rows: Sequence[Conversation],
    score: Callable[[Sequence[Conversation], Callable[[int], None]], list[RowScore]],
    results: Results,
    name: str,
    watch: Callable[[int], None] = lambda done: None,
) -> list[RowScore]:
    """`score` of rows, in blocks of 256, but of those whose replies are there already; these are scored again.

    name: what is asked, apart from others in the same file. watch: is told how many rows are done.
    """
    held, scores = digest(rows)[:16], list[RowScore]()
    for begun in range(0, len(rows), _BLOCK):
        block = rows[begun : begun + _BLOCK]
        keys = [f"{name} {held} {begun + place}" for place in range(len(block))]
        if any(key not in results.rows for key in keys):
            # asked whole: what stands beside a row in a batch may move its last bits
            made = score(block, lambda done, before=begun: watch(before + done))  # type: ignore[misc]
            said = ({"raw": one.raw_text, "reply": reply_to_json(one.reply)} for one in made)
            results.add([{"id": key, **row} for key, row in zip(keys, said, strict=True)])
        kept = (results.rows[key] for key in keys)
        scores += [
            score_row(row, reply_from_json(one["reply"]), one["raw"]) for row, one in zip(block, kept, strict=True)
        ]
        watch(len(scores))
    return scores
