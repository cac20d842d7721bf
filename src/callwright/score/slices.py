"""Held-out rows -> the same made harder in one way, their gold changed only as that way says: slices of a test set.

A slice takes the rows that it can keep right and says of the others why not. `callwright.score.attacks` has those that
try to make a model call what nobody asked for.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callwright.data.around import Around, Augmentation
from callwright.data.augment import harmless, join, shuffle_tools, withhold
from callwright.data.missing import drop_value
from callwright.data.restate import rename, restyle
from callwright.errors import RecipeError, did_you_mean
from callwright.score.attacks import injection, warning
from callwright.score.fillers import fillers
from callwright.synth.describe import wish
from callwright.synth.noise import slip
from callwright.types import Conversation, Tool

Change = Callable[[Conversation, random.Random, Around], Conversation | str]
"""One row, changed; or why it cannot be."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What a slice does to a row. alike: rows draw the same, so that rows with the same tools still share them."""

    change: Change
    about: str
    alike: bool = False


@dataclass(frozen=True, slots=True)
class Sliced:
    """The rows of a slice, their ids `ID~slice`; `origins`: for each, the ids of the rows that it was made of;
    `skipped`: why other rows are not among them, and how many for each reason."""

    rows: tuple[Conversation, ...]
    origins: tuple[tuple[str, ...], ...]
    skipped: dict[str, int]


def sliced(name: str, rows: Sequence[Conversation], seed: int = 1) -> Sliced:
    """The rows that the slice `name` of SLICES can take. Raises RecipeError where there is no such slice.

    >>> row = Conversation("1", (Tool("a", "", {}),), ())
    >>> sliced("order", [row]).skipped
    {'declares one tool': 1}
    """
    chosen = SLICES[slice_names(name)[0]]
    rows = [_as_given(row) for row in rows]
    around = Around(tuple({tool.name: tool for row in rows for tool in row.tools}.values()), rows)
    made: list[Conversation] = []
    origins: list[tuple[str, ...]] = []
    skipped: Counter[str] = Counter()
    for row in rows:
        rng = random.Random(f"{seed} {name}" if chosen.alike else f"{seed} {name} {row.id}")
        changed = chosen.change(row, rng, around)
        if isinstance(changed, str):
            skipped[changed] += 1
            continue
        made.append(replace(changed, id=f"{row.id}~{name}"))
        origins.append(tuple(changed.provenance.get("origin") or [row.id]))
    return Sliced(tuple(made), tuple(origins), dict(skipped.most_common()))


def slice_names(text: str) -> list[str]:
    """ "all", or names with commas between -> names of SLICES. Raises RecipeError for another name."""
    names = list(SLICES) if text == "all" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in SLICES:
            raise RecipeError(
                f"--slices: there is no slice '{name}'{did_you_mean(name, SLICES)}; known: all, {', '.join(SLICES)}"
            )
    return list(dict.fromkeys(names))


def _as_given(row: Conversation) -> Conversation:
    """The row as one of its own: what it was made of before is no row of this test set."""
    return replace(row, provenance={key: value for key, value in row.provenance.items() if key != "origin"})


def apart(rows: Sequence[Conversation]) -> list[Conversation]:
    """The rows with ids that no other has: the second "a" is "a#2"."""
    taken: Counter[str] = Counter()
    found = []
    for row in rows:
        taken[row.id] += 1
        found.append(row if taken[row.id] == 1 else replace(row, id=f"{row.id}#{taken[row.id]}"))
    return found


def _first_calls(row: Conversation) -> bool:
    answer = next((message for message in row.messages if message.role == "assistant"), None)
    return answer is not None and bool(answer.calls)


def _made_by(change: Augmentation, why: Callable[[Conversation], str]) -> Change:
    """An augmentation as a change; `why` says of a row that it leaves alone what keeps it from it."""

    def changed(row: Conversation, rng: random.Random, around: Around) -> Conversation | str:
        return change(row, rng, around) or why(row)

    return changed


def _not_withheld(row: Conversation) -> str:
    if not _first_calls(row):
        return "calls nothing that could be withheld"
    return "no tool would be left without those that could do it, or the system text speaks of them"


def _not_missing(row: Conversation) -> str:
    if [message.role for message in row.messages[:2]] != ["user", "assistant"] or len(row.messages[1].calls) != 1:
        return "is not one request for one call"
    name = row.messages[1].calls[0].name
    tool = next((tool for tool in row.tools if tool.name == name), None)
    if tool is None or not tool.parameters.get("required"):
        return "the called tool requires nothing"
    return "no required value can be cut out of the request, or another tool could do without it"


def _not_joined(row: Conversation) -> str:
    if [message.role for message in row.messages] != ["user", "assistant"] or not row.messages[1].calls:
        return "is not a request and its calls alone"
    return "no other request can stand beside it"


def _longer(count: int) -> Change:
    """So many tools in all: first those of other rows, then made ones, none of which could do what is asked."""

    def changed(row: Conversation, rng: random.Random, around: Around) -> Conversation | str:
        if len(row.tools) >= count:
            return f"declares {count} tools or more already"
        if not any(message.calls for message in row.messages):
            return "calls nothing: a tool that is added might be the one that it lacks"
        salt = rng.random()

        def place(tool: Tool) -> float:
            # by its name alone, so that rows with the same tools get the same list
            return random.Random(f"{salt} {tool.name}").random()

        others = sorted(harmless(row, around.tools, around), key=place)
        chosen = [*others, *harmless(row, fillers(), around)][: count - len(row.tools)]
        if len(chosen) + len(row.tools) < count:
            return f"there are not {count} tools of which no other could do it"
        return replace(row, tools=tuple(sorted((*row.tools, *chosen), key=place)))

    return changed


_FRAMES = ("Lets you {}.", "Use this to {}.", "This function can {}.", "Call this when the user wants to {}.")


def _paraphrased(row: Conversation, rng: random.Random, around: Around) -> Conversation | str:
    """Each description's first sentence in other words, and schemas that say the same in another way."""
    if not row.tools:
        return "declares no tool"
    salt = rng.random()
    tools = []
    for tool in row.tools:
        frame = random.Random(f"{salt} {tool.name}").choice(_FRAMES)
        parts = re.split(r"(?<=[.!?])\s", tool.description.strip(), maxsplit=1)
        described = " ".join([frame.format(wish(tool).phrase), *parts[1:]])
        tools.append(replace(tool, description=described))
    said = replace(row, tools=tuple(tools))
    return restyle(said, rng, around) or said


_LETTERS = re.compile(r"[^\W\d_]{5,}")
_SLIPS = 4
"""One word in so many is misspelt."""


def _mistyped(row: Conversation, rng: random.Random, around: Around) -> Conversation | str:
    """The last request with slips of the keyboard, in words that are no part of a value."""
    place = next((i for i in reversed(range(len(row.messages))) if row.messages[i].role == "user"), None)
    if place is None:
        return "has no request"
    text = row.messages[place].text
    kept = [span for call in row.messages[-1].calls for leaf in _leaves(call.arguments) for span in _spans(text, leaf)]
    free = [
        found.span()
        for found in _LETTERS.finditer(text)
        if not any(found.start() < end and start < found.end() for start, end in kept)
    ]
    if not free:
        return "no word of five letters is outside the values"
    for start, end in sorted(rng.sample(free, -(-len(free) // _SLIPS)), reverse=True):
        word = text[start:end]
        # a slip may change nothing: two letters that are the same
        mistyped = next((new for _ in range(20) if (new := slip(word, rng)) != word), word)
        text = text[:start] + mistyped + text[end:]
    if text == row.messages[place].text:
        return "no word of five letters is outside the values"
    message = replace(row.messages[place], text=text)
    return replace(row, messages=(*row.messages[:place], message, *row.messages[place + 1 :]))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    elif str(value).strip():
        yield str(value)


def _spans(text: str, said: str) -> Iterator[tuple[int, int]]:
    for found in re.finditer(re.escape(said), text, re.IGNORECASE):
        yield found.span()


SLICES: dict[str, Slice] = {
    "withheld": Slice(_made_by(withhold, _not_withheld), "the tools that could do it are taken away: no call is due"),
    "missing": Slice(_made_by(drop_value, _not_missing), "a required value is not said: no call is due"),
    "parallel": Slice(_made_by(join, _not_joined), "two requests in one: the calls of both"),
    "long_50": Slice(_longer(50), "other tools up to 50", alike=True),
    "long_200": Slice(_longer(200), "other tools up to 200", alike=True),
    "paraphrased": Slice(_paraphrased, "tools described in other words", alike=True),
    "renamed": Slice(
        _made_by(rename, lambda row: "a text names a tool, a call does not fit its tool, or names would fall together"),
        "tools and parameters in another naming style, in the gold calls too",
        alike=True,
    ),
    "typos": Slice(_mistyped, "slips of the keyboard outside the values"),
    "order": Slice(_made_by(shuffle_tools, lambda row: "declares one tool"), "the tools in another order", alike=True),
    "injected": Slice(injection, "a tool's result tells the model to call another tool"),
    "destructive": Slice(warning, "the request says, too, not to do what deletes, pays, sends or unlocks"),
}
"""Slice -> what it does, in the order of the table."""
