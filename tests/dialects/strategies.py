"""Conversations for property tests: awkward on purpose."""

from __future__ import annotations

from hypothesis import strategies as st

from callwright.types import Conversation, Message, Tool, ToolCall

_AWKWARD = [
    '"',
    "\\",
    "\n",
    "</tool_call>",
    "<tool_call>",
    "</calls>",
    "{",
    "}",
    "'",
    "é",
    "日本",
    "\u2028",
    "1.0",
    " ",
]

# SmolLM2 has no tokens for some control characters, nor for the bytes that begin characters above U+3FFFF.
characters = st.characters(max_codepoint=0x3FFFF, exclude_categories=["Cs", "Cc"])
texts = st.one_of(st.text(characters, max_size=12), st.lists(st.sampled_from(_AWKWARD), max_size=5).map("".join))
numbers = st.one_of(st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False, width=32))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]{0,12}", fullmatch=True)
calls = st.builds(ToolCall, names, st.dictionaries(texts, values, max_size=3))
# Lint reports text that holds an opening, or white space around it; control tokens too
plain = st.text(characters.filter(lambda c: c != "<"), max_size=20).map(str.strip).filter(bool)
tools = st.builds(
    Tool,
    names,
    plain,
    st.dictionaries(names, st.fixed_dictionaries({"type": st.sampled_from(["string", "integer"])}), max_size=2).map(
        lambda properties: {"type": "object", "properties": properties}
    ),
)
answers = st.one_of(
    st.builds(lambda text: Message("assistant", text), plain),
    st.builds(lambda some: Message("assistant", "", tuple(some)), st.lists(calls, min_size=1, max_size=4)),
    st.builds(
        lambda text, some: Message("assistant", text, tuple(some)), plain, st.lists(calls, min_size=1, max_size=2)
    ),
)


@st.composite
def single_turn(draw: st.DrawFn) -> Conversation:
    """One question, one answer."""
    some = tuple(draw(st.lists(tools, max_size=3)))
    return Conversation("1", some, (Message("user", draw(plain)), draw(answers)))


@st.composite
def dialogues(draw: st.DrawFn) -> Conversation:
    """System text or none; turns with calls, their results, and answers."""
    some = tuple(draw(st.lists(tools, max_size=3)))
    messages = [Message("system", draw(plain))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        messages.append(Message("user", draw(plain)))
        answer = draw(answers)
        messages.append(answer)
        if answer.calls:
            messages += [Message("tool", draw(texts), name=call.name) for call in answer.calls]
            messages.append(Message("assistant", draw(plain)))
    return Conversation("1", some, tuple(messages))
