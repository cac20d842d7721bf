"""The nouns: frozen dataclasses that every layer shares. Verbs are functions elsewhere."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

JsonObject = dict[str, Any]
"""A JSON object: what `json.loads` gives for `{...}`."""

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Tool:
    """One function that a model may call. `parameters` is a normalised JSON Schema of type object."""

    name: str
    description: str
    parameters: JsonObject


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call. `arguments` is always a dict, however the source wrote it; `id` is "" where there is none."""

    name: str
    arguments: JsonObject
    id: str = ""


@dataclass(frozen=True, slots=True)
class BrokenCall:
    """A call that the model wrote wrong: data, never an exception. `reason` names the position in characters."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn.

    `calls` only on assistant turns; `call_id` and `name` only on tool results.
    `train` False keeps an assistant turn out of the loss; None leaves it to the recipe.
    `thinking` is what the assistant wrote for itself before its text and calls.
    """

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    name: str = ""
    train: bool | None = None
    thinking: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One training or test row. `source` names the data set; `where` is "file:line" (or "file:row N").

    `notes` says what the reader repaired on the way, for the linter to report. `provenance` says where the row came
    from: licence, generator, template or teacher, the checks that it passed, the augmentations that were applied.
    """

    id: str
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]
    source: str = ""
    where: str = ""
    notes: tuple[str, ...] = ()
    provenance: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that a reader could not turn into a Conversation: reported, never silently dropped."""

    where: str
    why: str
    text: str = ""


class Kind(enum.Enum):
    """What a piece of rendered text is. PREFIX is the part of the prompt that rows with equal tools share.

    SCAFFOLD: what a grammar would force. DECISION: the first words of a turn, and what opens its first call.
    KEY, ARGUMENT: the keys and the values of arguments.
    """

    PREFIX = "prefix"
    PROMPT = "prompt"
    THINKING = "thinking"
    TEXT = "text"
    DECISION = "decision"
    SCAFFOLD = "scaffold"
    NAME = "name"
    KEY = "key"
    ARGUMENT = "argument"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of rendered text with one meaning and one loss weight (0 = not trained)."""

    text: str
    kind: Kind
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Rendered:
    """One row as a model sees it.

    token_ids: length T. weights: length T, the loss weight of *predicting* token t (0 for the prompt).
    prefix_len: tokens [0, prefix_len) are shared by every row with the same tools and system text.
    """

    token_ids: Sequence[int]
    weights: Sequence[float]
    prefix_len: int
    id: str = ""


class Ending(enum.Enum):
    """Why a reply ended."""

    STOP = "stop"
    LENGTH = "length"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said, parsed: `text` outside calls, well-formed `calls`, `broken` ones, and why it ended.

    `thinking` is kept apart from the text.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    broken: tuple[BrokenCall, ...] = ()
    ending: Ending = Ending.STOP
    thinking: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One metric on one row: `value` in [0, 1], or None where the metric does not apply; `why` explains a miss."""

    metric: str
    value: float | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of scoring a run. `verdicts` by row id; `aggregates` by metric name.

    made: how it came about (`callwright.pipeline.environment.made_by`); empty where nobody said.
    """

    run: str
    verdicts: dict[str, tuple[Verdict, ...]]
    aggregates: dict[str, JsonObject] = field(default_factory=dict)
    made: JsonObject = field(default_factory=dict)
