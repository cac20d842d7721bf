"""Conversations + a dialect + an engine -> replies. Score, chat and serving all come through here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from callwright.dialects.base import Dialect, ThinkingMode, ToolChoice, text_of
from callwright.dialects.tokenise import Tokenizer, encode_prompt
from callwright.generate.written import Written
from callwright.types import Conversation, Ending, Kind, Reply, Segment, Tool

Mode = Literal["auto", "forced", "none"]
"""Whether a reply is text or calls, begins with a call, or is text."""

_CHOICES: dict[Mode, ToolChoice] = {"auto": "auto", "forced": "required", "none": "none"}


@dataclass(frozen=True, slots=True)
class Options:
    """mode 'forced' begins every reply with a call. temperature 0 is greedy; lengths in tokens.

    constrain: whether replies are held to the dialect's grammar of the conversation's tools; `parallel`, then, whether
    one may hold several calls, and `among` the names of the tools that it may call, where that is not all. stops: texts
    that end a reply beside the dialect's. logprobs: whether each token's log-probability is computed, which costs a
    pass over the vocabulary, and `likeliest` how many others are given beside it.
    """

    mode: Mode = "auto"
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    constrain: bool = False
    parallel: bool = True
    among: tuple[str, ...] | None = None
    stops: tuple[str, ...] = ()
    logprobs: bool = False
    likeliest: int = 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an engine continues. token_ids[:prefix_len] is shared by prompts with the same tools and system text.

    grammar: what the reply may be, in llguidance's Lark; anything where there is none.
    """

    text: str
    token_ids: Sequence[int]
    prefix_len: int
    grammar: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine wrote, without the stop. `tokens` counts what it generated; `written` is these, with the stop, of
    engines that know them. passes: of the model. cached: tokens of the prompt that were not computed again."""

    text: str
    ending: Ending
    tokens: int
    written: Sequence[Written] = ()
    passes: int = 0
    cached: int = 0

    @property
    def token_ids(self) -> tuple[int, ...]:
        """What was generated, the stop included."""
        return tuple(one.token for one in self.written)


class Engine(Protocol):
    """Anything that continues prompts. Completions come in the order of the prompts."""

    def complete(self, prompts: Sequence[Prompt], options: Options) -> Iterator[Completion]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed reply, the raw text that it came from, and the prompt; `tokens` counts what was generated. begun: the
    beginning of the text that stood in the prompt."""

    reply: Reply
    raw: str
    tokens: int
    prompt: Prompt
    written: Sequence[Written] = ()
    begun: str = ""
    passes: int = 0

    @property
    def token_ids(self) -> tuple[int, ...]:
        """What was generated, the stop included."""
        return tuple(one.token for one in self.written)


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
    # a grammar forces it too, and the tokens that the grammar forces are those that follow best
    opening = dialect.call_opening if options.mode == "forced" and not options.constrain else ""
    prompts = [make_prompt(conversation, dialect, tokenizer, opening) for conversation in conversations]
    if options.constrain:
        write = Constraint(dialect, tokenizer, options)
        prompts = [
            replace(prompt, grammar=write.of(conversation, prompt.text))
            for conversation, prompt in zip(conversations, prompts, strict=True)
        ]
    for conversation, prompt, completion in zip(conversations, prompts, engine.complete(prompts, options), strict=True):
        yield answer_of(conversation, prompt, completion, dialect, opening)


def answer_of(
    conversation: Conversation, prompt: Prompt, completion: Completion, dialect: Dialect, opening: str = ""
) -> Answer:
    """What an engine wrote behind a prompt, parsed. opening: the end of the prompt that belongs to the reply."""
    begun = dialect.carry(prompt.text.removesuffix(opening)) + opening
    text = begun + completion.text
    parsed = replace(dialect.parse(text, conversation.tools), ending=completion.ending)
    return Answer(parsed, text, completion.tokens, prompt, completion.written, begun, completion.passes)


def make_prompt(conversation: Conversation, dialect: Dialect, tokenizer: Tokenizer, opening: str = "") -> Prompt:
    """A conversation before an assistant turn -> the prompt, as text and as the tokens that training saw."""
    segments = list(dialect.prompt(conversation))
    token_ids, prefix_len = encode_prompt(segments, tokenizer)
    if opening:
        token_ids += encode_prompt([Segment(opening, Kind.PROMPT)], tokenizer)[0]
    return Prompt(text_of(segments) + opening, token_ids, min(prefix_len, len(token_ids) - 1))


class Constraint:
    """The grammars of conversations, one for each tool set."""

    def __init__(self, dialect: Dialect, tokenizer: Tokenizer, options: Options) -> None:
        self._dialect, self._options = dialect, options
        self._specials = specials_of(tokenizer)
        # tools hold dicts, which have no hash
        self._made: list[tuple[tuple[Tool, ...], ThinkingMode, str]] = []

    def of(self, conversation: Conversation, prompt: str) -> str:
        """What the next turn may be, in Lark."""
        thinking: ThinkingMode = "may" if self._dialect.family.thinking else "none"
        if thinking == "may" and self._dialect.carry(prompt):
            thinking = "open"
        among = self._options.among
        offered = tuple(tool for tool in conversation.tools if among is None or tool.name in among)
        for tools, mode, lark in self._made:
            if mode == thinking and tools == offered:
                return lark
        made = self._dialect.grammar(
            offered,
            _CHOICES[self._options.mode],
            self._specials,
            parallel=self._options.parallel,
            thinking=thinking,
        )
        self._made.append((offered, thinking, made.lark))
        return made.lark


def specials_of(tokenizer: Any) -> dict[str, int]:
    """A tokenizer's special tokens by their text."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    return {token.content: number for number, token in added.items() if token.special}
