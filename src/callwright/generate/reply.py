"""Conversations + a dialect + an engine -> replies. Score, chat and serving all come through here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from callwright.dialects.base import Dialect, text_of
from callwright.dialects.tokenise import Tokenizer, encode_prompt
from callwright.types import Conversation, Ending, Kind, Reply, Segment

Mode = Literal["auto", "forced"]


@dataclass(frozen=True, slots=True)
class Options:
    """mode 'forced' begins every reply with a call. temperature 0 is greedy; lengths in tokens."""

    mode: Mode = "auto"
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an engine continues. token_ids[:prefix_len] is shared by prompts with the same tools and system text."""

    text: str
    token_ids: Sequence[int]
    prefix_len: int


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine wrote, without the stop. `tokens` counts what it generated; `token_ids` are these, with the stop,
    of engines that know them."""

    text: str
    ending: Ending
    tokens: int
    token_ids: Sequence[int] = ()


class Engine(Protocol):
    """Anything that continues prompts. Completions come in the order of the prompts."""

    def complete(self, prompts: Sequence[Prompt], options: Options) -> Iterator[Completion]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed reply, the raw text that it came from, and what it came from: its length is in tokens."""

    reply: Reply
    raw: str
    tokens: int
    prompt: Prompt
    token_ids: Sequence[int] = ()


def reply(
    conversations: Sequence[Conversation], dialect: Dialect, tokenizer: Tokenizer, engine: Engine, options: Options
) -> Iterator[Answer]:
    """Answers each conversation, which must end before an assistant turn.

    >>> from callwright.generate.fake import CharacterTokenizer, FakeEngine
    >>> from callwright.dialects.hermes import hermes
    >>> from callwright.types import Message
    >>> row = Conversation("1", (), (Message("user", "hi"),))
    >>> engine = FakeEngine(['<tool_call>\\n{"name": "f", "arguments": {}}\\n</tool_call>'])
    >>> next(reply([row], hermes(), CharacterTokenizer(), engine, Options())).reply.calls
    (ToolCall(name='f', arguments={}, id=''),)
    """
    opening = dialect.call_opening if options.mode == "forced" else ""
    prompts = [make_prompt(conversation, dialect, tokenizer, opening) for conversation in conversations]
    for conversation, prompt, completion in zip(conversations, prompts, engine.complete(prompts, options), strict=True):
        text = dialect.carry(prompt.text.removesuffix(opening)) + opening + completion.text
        parsed = replace(dialect.parse(text, conversation.tools), ending=completion.ending)
        yield Answer(parsed, text, completion.tokens, prompt, completion.token_ids)


def make_prompt(conversation: Conversation, dialect: Dialect, tokenizer: Tokenizer, opening: str = "") -> Prompt:
    """A conversation before an assistant turn -> the prompt, as text and as the tokens that training saw."""
    segments = list(dialect.prompt(conversation))
    token_ids, prefix_len = encode_prompt(segments, tokenizer)
    if opening:
        token_ids += encode_prompt([Segment(opening, Kind.PROMPT)], tokenizer)[0]
    return Prompt(text_of(segments) + opening, token_ids, min(prefix_len, len(token_ids) - 1))
