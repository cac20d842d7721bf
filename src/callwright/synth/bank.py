"""Tools -> what people say that these tools do not answer: foreign wishes, near misses, small talk, knowledge."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from callwright.data.similar import tool_words, words
from callwright.synth.pools import pools
from callwright.types import Tool


@dataclass
class Bank:
    """What may be said without any of these tools being due."""

    tools: Sequence[Tool]
    _taken: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        every = pools()
        self._taken = frozenset(word for tool in self.tools for word in tool_words(tool)) - frozenset(every["small"])
        self._things = [thing for tool in self.tools if (thing := _thing(tool))]
        self._near = [(way, every["cannot"]) for way in every["near"] if self._free(way)]
        self._near += [(way, ["All right.", "I see."]) for way in every["remarks"] if self._free(way)]
        self._talk = [(say, answer) for say, answer in every["talk"].items() if self._free(say)]
        deeds = [f"{verb} {thing}" for verbs, things in every["deeds"] for verb in verbs for thing in things]
        self._deeds = [deed for deed in deeds if self._free(deed)]

    def _free(self, text: str) -> bool:
        """Whether no tool speaks of it, so that none could be meant."""
        return not self._taken & set(words(text.replace("{}", "")))

    def draw(self, rng: random.Random) -> tuple[str, str]:
        """(what is said, the answer)."""
        kind = rng.random()
        if kind < 0.4 and self._things and self._near:
            way, answers = rng.choice(self._near)
            return way.format(rng.choice(self._things)), rng.choice(answers)
        if kind < 0.8 and self._deeds:
            return rng.choice(pools()["ways"]).format(rng.choice(self._deeds)), rng.choice(pools()["cannot"])
        return rng.choice(self._talk) if self._talk else ("hm", "What can I do for you?")


def _thing(tool: Tool) -> str:
    """What a tool's name says it works on: "set_light" gives "light", "navigate_to" nothing."""
    after = words(tool.name.rpartition(".")[2])[1:]
    while after and after[0] in pools()["small"]:
        after = after[1:]
    return " ".join(after)
