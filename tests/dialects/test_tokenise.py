"""Text -> tokens and weights, and the whole texts that users will compare with their own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_laws import made

from callwright.dialects.base import Dialect, text_of
from callwright.dialects.chat import Chat
from callwright.dialects.families import FAMILIES
from callwright.dialects.hermes import compact, hermes
from callwright.dialects.tokenise import encode_prompt, pieces_of, render, render_many
from callwright.dialects.xlam import XlamTags
from callwright.errors import DataError
from callwright.generate.fake import CharacterTokenizer
from callwright.generate.reply import make_prompt
from callwright.types import Conversation, Kind, Message, Segment, Tool, ToolCall

GOLDEN = Path(__file__).parents[1] / "golden"
TIMER = Tool(
    "set_timer",
    "Start a timer.",
    {
        "type": "object",
        "properties": {
            "minutes": {"type": "integer", "description": "How long.", "minimum": 1},
            "label": {"type": "string", "enum": ["tea", "eggs"], "default": "tea"},
        },
        "required": ["minutes"],
    },
)
STOP = Tool("stop_all", "Stop \u201ceverything\u201d.", {"type": "object", "properties": {}})
USER = Message("user", "5 minutes for the eggs, then stop")
CALLS = Message("assistant", "", (ToolCall("set_timer", {"minutes": 5, "label": "eggs"}), ToolCall("stop_all", {})))
SINGLE = Conversation("1", (TIMER, STOP), (USER, CALLS))
DIALOGUE = Conversation(
    "2",
    (TIMER, STOP),
    (
        Message("system", "You are terse."),
        USER,
        Message("assistant", "At once.", CALLS.calls),
        Message("tool", '{"ok": true}', name="set_timer"),
        Message("tool", "stopped", name="stop_all"),
        Message("assistant", "Both done."),
    ),
)


def _dialogue_for(name: str) -> Conversation:
    """The dialogue with all that a family can hold: thinking, and text beside the calls."""
    family = FAMILIES[name]
    first = replace(DIALOGUE.messages[2], thinking="Eggs, then." if family.thinking else "")
    first = first if family.beside else replace(first, text="")
    return replace(DIALOGUE, messages=(*DIALOGUE.messages[:2], first, *DIALOGUE.messages[3:]))


RENDERS: dict[str, tuple[Dialect, Conversation]] = {
    "hermes": (hermes(), DIALOGUE),
    "compact": (compact(), DIALOGUE),
    "xlam": (XlamTags("<|im_end|>"), SINGLE),
    "xlam_python": (XlamTags("<|im_end|>", python_dicts=True), SINGLE),
    **{name: (made(name), _dialogue_for(name)) for name in FAMILIES if name != "hermes"},
}


@pytest.mark.parametrize("name", RENDERS)
def test_golden_renders(name: str) -> None:
    """`GOLDEN=write pytest` writes the files anew; the diff is then for a person to read."""
    dialect, row = RENDERS[name]
    file = GOLDEN / f"{name}.txt"
    text = text_of(dialect.segments(row))
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("name", RENDERS)
def test_the_mask_is_the_assistants_text_and_its_stop(name: str, tokenizer: Any) -> None:
    dialect, row = RENDERS[name]
    rendered = render(row, dialect, tokenizer)
    trained = [t for t, weight in zip(rendered.token_ids, rendered.weights, strict=True) if weight]
    wanted = "".join(segment.text for segment in dialect.segments(row) if segment.weight)
    assert tokenizer.decode(trained) == wanted
    assert wanted.count("<|im_end|>") == sum(message.role == "assistant" for message in row.messages)


def test_a_turn_kept_out_of_the_loss(tokenizer: Any) -> None:
    first = Message("assistant", "wrong", train=False)
    row = Conversation("1", (), (USER, first, USER, Message("assistant", "right")))
    rendered = render(row, hermes(), tokenizer)
    trained = [t for t, weight in zip(rendered.token_ids, rendered.weights, strict=True) if weight]
    assert tokenizer.decode(trained) == "right<|im_end|>"


@pytest.mark.parametrize("name", RENDERS)
def test_rows_with_equal_tools_share_their_prefix_token_for_token(name: str, tokenizer: Any) -> None:
    dialect, row = RENDERS[name]
    last = row.messages[-1]
    other = Conversation("9", row.tools, tuple(m for m in row.messages if m.role == "system") + (USER, last))
    a, b = render_many([row, other], dialect, tokenizer)
    assert a.prefix_len == b.prefix_len > 0
    assert a.token_ids[: a.prefix_len] == b.token_ids[: b.prefix_len]


def test_a_served_prompt_has_the_tokens_that_were_trained(tokenizer: Any) -> None:
    """ "\\n\\n" + "<calls>" in one text is tokenised otherwise than the prompt alone and the reply alone."""
    dialect = XlamTags("<|im_end|>")
    whole = tokenizer(text_of(dialect.segments(SINGLE)), add_special_tokens=False)["input_ids"]
    rendered = render(SINGLE, dialect, tokenizer)
    asked, _ = encode_prompt(dialect.prompt(Conversation("1", SINGLE.tools, (USER,))), tokenizer)
    assert list(rendered.token_ids[: len(asked)]) == asked
    assert tokenizer.decode(whole) == tokenizer.decode(rendered.token_ids)


def test_pieces_are_cut_where_the_assistant_begins() -> None:
    segments = [
        Segment("a", Kind.PREFIX),
        Segment("b", Kind.PROMPT),
        Segment("c", Kind.TEXT, 1.0),
        Segment("d", Kind.STOP, 1.0),
        Segment("e", Kind.PROMPT),
        Segment("f", Kind.TEXT, 1.0),
    ]
    assert ["".join(s.text for s in piece) for piece in pieces_of(segments)] == ["ab", "cde", "f"]


def test_half_a_weight_reaches_the_tokens(tokenizer: Any) -> None:
    class Weighted(Chat):
        def segments(self, conversation: Conversation) -> Any:
            from dataclasses import replace

            return [
                replace(s, weight=s.weight * (0.5 if s.kind is Kind.NAME else 1))
                for s in super().segments(conversation)
            ]

    rendered = render(SINGLE, Weighted(hermes().family, hermes().words, "hermes"), tokenizer)
    half = [t for t, weight in zip(rendered.token_ids, rendered.weights, strict=True) if weight == 0.5]
    assert tokenizer.decode(half) == "set_timerstop_all"


@pytest.mark.parametrize("messages", [(USER,), (Message("system", "s"), USER, CALLS), ()])
def test_what_the_xlam_tags_cannot_hold_is_refused(messages: tuple[Message, ...]) -> None:
    with pytest.raises(DataError, match=r"f\.json:3: the xlam dialect"):
        XlamTags("<|im_end|>").segments(Conversation("1", (), messages, where="f.json:3"))


def test_the_public_fake_tokenizer_renders() -> None:
    """Users test their own code with it, so it must hold all that rendering asks of a tokenizer."""
    row = Conversation("1", SINGLE.tools, (USER, Message("assistant", "Hello.")))
    rendered = render(row, hermes(), CharacterTokenizer())
    text = "".join(map(chr, rendered.token_ids))
    trained = "".join(char for char, weight in zip(text, rendered.weights, strict=True) if weight)
    assert trained == "Hello.<|im_end|>"
    prompt = make_prompt(replace(row, messages=row.messages[:1]), hermes(), CharacterTokenizer())
    assert text.startswith(prompt.text)
    assert prompt.prefix_len == rendered.prefix_len > 0
