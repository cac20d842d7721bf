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


# Values of a declared type, for families whose text cannot tell types
_TYPED = {
    "string": texts,
    "integer": st.integers(-(10**9), 10**9),
    "number": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "boolean": st.booleans(),
    "array": st.lists(st.one_of(texts, st.integers(-9, 9), st.none(), st.booleans()), max_size=3),
    "object": st.dictionaries(
        st.from_regex(r"[a-z_]{1,6}", fullmatch=True), st.one_of(texts, st.integers(-9, 9)), max_size=2
    ),
}


@st.composite
def typed_tool(draw: st.DrawFn) -> Tool:
    """A tool whose parameters all say their type."""
    keys = draw(st.lists(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True), max_size=4, unique=True))
    properties = {key: {"type": draw(st.sampled_from(sorted(_TYPED)))} for key in keys}
    required = [key for key in keys if draw(st.booleans())]
    return Tool(draw(names), draw(plain), {"type": "object", "properties": properties, "required": required})


@st.composite
def typed_call(draw: st.DrawFn, some: tuple[Tool, ...]) -> ToolCall:
    """A call that fits its tool's schema, its arguments in any order."""
    tool = draw(st.sampled_from(some))
    required = tool.parameters["required"]
    keys = [key for key in tool.parameters["properties"] if key in required or draw(st.booleans())]
    arguments = {key: draw(_TYPED[tool.parameters["properties"][key]["type"]]) for key in draw(st.permutations(keys))}
    return ToolCall(tool.name, arguments)


@st.composite
def typed_dialogues(draw: st.DrawFn, beside: bool = True, most: int = 10, thinking: bool = True) -> Conversation:
    """Turns with calls that fit their tools, their results, and answers. beside: text in the turn of a call."""
    some = tuple({tool.name: tool for tool in draw(st.lists(typed_tool(), min_size=1, max_size=3))}.values())
    messages = [Message("system", draw(plain))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 2))):
        messages.append(Message("user", draw(plain)))
        made = draw(st.lists(typed_call(some), max_size=draw(st.sampled_from([1, 2, most]))))
        text = draw(plain) if not made or (beside and draw(st.booleans())) else ""
        thought = draw(plain) if thinking and draw(st.booleans()) else ""
        messages.append(Message("assistant", text, tuple(made), thinking=thought))
        if made:
            messages += [Message("tool", draw(texts), name=call.name) for call in made]
            messages.append(Message("assistant", draw(plain)))
    return Conversation("1", some, tuple(messages))


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
