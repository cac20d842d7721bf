"""A mind for tests, public so that users can test their own tools and policies with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from callwright.generate.reply import Answer, Options, Prompt
from callwright.types import Conversation, Reply, Tool

Script = Reply | Callable[[Conversation], Reply]


@dataclass
class ScriptedMind:
    """Gives replies in their order, the last one over and over; a function is given the conversation.

    A token is four characters. chance: that every call is right. seen: the conversations that were answered.

    >>> from callwright.types import Message
    >>> mind = ScriptedMind([Reply("hello")])
    >>> mind.answer(Conversation("1", (), (Message("user", "hi"),)), Options()).reply.text
    'hello'
    """

    replies: Sequence[Script]
    chance: float | None = None
    seen: list[Conversation] = field(default_factory=list)

    def answer(self, conversation: Conversation, options: Options) -> Answer:
        """The next reply."""
        given = self.replies[min(len(self.seen), len(self.replies) - 1)]
        self.seen.append(conversation)
        reply = given(conversation) if callable(given) else given
        raw = reply.text + "".join(str(call) for call in reply.calls) + "".join(bad.text for bad in reply.broken)
        return Answer(reply, raw, max(1, len(raw) // 4), Prompt("", (), 0))

    def tokens(self, conversation: Conversation) -> int:
        """Of the messages and their calls."""
        return sum(len(message.text) + len(str(message.calls)) for message in conversation.messages) // 4

    def chances(self, answer: Answer, tools: Sequence[Tool]) -> list[float | None]:
        """The same for every call."""
        return [self.chance] * len(answer.reply.calls)
