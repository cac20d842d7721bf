"""Law 1: what the published chat templates write, byte for byte; and what each of them loses, by name."""

from __future__ import annotations

import functools
import importlib.util
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import strategies
from hypothesis import Phase, given, settings

from callwright.dialects import probe
from callwright.dialects.base import text_of
from callwright.dialects.check import check_render
from callwright.dialects.native import Native, to_template
from callwright.dialects.views import views
from callwright.errors import DataError, ModelError
from callwright.types import Conversation, Kind, Message, Tool, ToolCall

ENOUGH = 50
SETTINGS = {"bos_token": "<s>", "eos_token": "</s>"}


def template_folder() -> Path | None:
    """Where TRL keeps the templates that it knows; None where it is not installed."""
    found = importlib.util.find_spec("trl")
    return Path(found.submodule_search_locations[0]) / "chat_templates" if found else None  # type: ignore[index]


FOLDER = template_folder()
FILES = [*(sorted(path.stem for path in FOLDER.glob("*.jinja"))), "llama4"] if FOLDER else []

REFUSED = {
    "does not write tools": {
        "cohere",
        "cohere2",
        "deepseek_r1_distill",
        "deepseekv3",
        "gemma",
        "gemma3",
        "idefics3",
        "llama3",
    }
    | {"llava_next", "phi3", "phi3_5", "qwen2_5_vl", "smolvlm"},
    "drops the assistant's calls": {"lfm2"},
}
"""Templates without tools, and one that declares tools and then drops the calls."""

LOSSES: dict[str, tuple[str, ...]] = {
    "llama3_1": ("only supports single tool-calls", "writes the text", "drops the thinking", "writes the call"),
    "llama3_2": ("only supports single tool-calls", "writes the text", "drops the thinking", "writes the call"),
    "llama4": ("drops the thinking", "keeps 1 of", "writes the text", "writes the call"),
    "gptoss": ("keeps 1 of", "writes the text", "refuses this row: Cannot pass both content and thinking"),
    "muse_glimmer": ("writes the text", "cannot be read back", "writes the call"),
    "lfm2_v2": ("drops the thinking", "cannot be read back", "writes the call", "writes the text", "keeps"),
    "lfm2_2_5": ("cannot be read back", "writes the call", "writes the text", "keeps"),
    "lfm2_2_5_v2": ("cannot be read back", "writes the call", "writes the text", "keeps"),
    "lfm2_2_5_vl": ("cannot be read back", "writes the call", "writes the text", "keeps"),
    **dict.fromkeys(("gemma4", "gemma4_v2", "gemma4_v3", "gemma4_v4"), ("drops the thinking",)),
    "diffusion_gemma": ("<|turn>model",),
    "qwen2_5": ("drops the thinking",),
    "qwen3_instruct_2507": ("drops the thinking",),
    "qwen3_vl": ("drops the thinking",),
    "qwen3_5_nothink": ("where its own prompt has",),
    "nemotron_3_nano": ("where its own prompt has",),
    "nemotron_3_super": ("where its own prompt has",),
    "nemotron_3_ultra": ("where its own prompt has",),
    "nemotron_3_5_lightning": ("where its own prompt has",),
}
"""What each template may lose, as the refusal says it; a row that it loses differently fails the test."""


def template(name: str) -> Callable[..., str]:
    assert FOLDER
    if name == "llama4":  # the one template with tools that transformers itself carries
        source = importlib.import_module("transformers.models.llama4.processing_llama4").chat_template
    else:
        source = (FOLDER / f"{name}.jinja").read_text()

    def apply(messages: Any, tools: Any = None, add_generation_prompt: bool = False, **context: Any) -> str:
        from transformers.utils.chat_template_utils import render_jinja_template

        context.pop("tokenize", None)
        texts, _ = render_jinja_template(
            [messages], tools=tools, chat_template=source, add_generation_prompt=add_generation_prompt, **context
        )
        return str(texts[0])

    return apply


def original(name: str) -> str:
    return name.removesuffix("_training")


def holds_tools(name: str) -> bool:
    return not any(original(name) in names for names in REFUSED.values())


CONTRADICTS = {"gptoss", "gemma4", "gemma4_v2", "gemma4_v3", "gemma4_v4", "gemma4_v5", "diffusion_gemma"}
"""Templates whose whole text shows earlier turns otherwise than their own prompt for the last turn did: harmony drops
thinking once an answer follows it, Gemma moves text beside a call behind the results. What is served is trained."""


def check(native: Native, row: Conversation) -> str:
    """Byte equality of the whole and of the prompt of the last turn; the mask proven by parsing it back."""
    outcome = "equal"
    for view in views(row, native):
        written = text_of(native.segments(view))
        shown = to_template(view, len(view.messages), as_text=native.arguments_as_text)
        tools = [probe_tool(tool) for tool in view.tools] or None
        context = {"tools": tools, **(native.settings or {})}
        whole = native.template(shown, add_generation_prompt=False, **context)
        opened = native.template(shown[:-1], add_generation_prompt=True, **context)
        if not whole.startswith(opened):
            outcome = "contradicts"
        elif native.family.open_end and written != whole:
            # the family ends a turn by beginning the next: the stop is all that is added
            assert written in [whole + stop for stop in native.family.open_end]
        else:
            assert written == whole
        before = replace(view, messages=view.messages[:-1])
        assert text_of(native.prompt(before)) == opened
        assert written.startswith(opened)
        assert check_render(view, native, native.segments(view)) == []
    return outcome


def probe_tool(tool: Any) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


@functools.cache
def dialogues() -> list[Conversation]:
    """The same for every template: to draw one takes longer than to render it."""
    found: list[Conversation] = []

    @settings(max_examples=8 * ENOUGH, phases=[Phase.generate], database=None)
    @given(strategies.typed_dialogues(most=3))
    def collect(row: Conversation) -> None:
        found.append(row)

    collect()
    return found


@pytest.mark.skipif(not FOLDER, reason="TRL, which carries the templates, is not installed")
@pytest.mark.parametrize("name", [name for name in FILES if holds_tools(name)])
def test_the_render_is_the_templates_own(name: str) -> None:
    native = probe.find(template(name), ("</s>",), SETTINGS).dialect
    outcomes: Counter[str] = Counter()
    for row in dialogues():
        if outcomes["equal"] >= ENOUGH:
            break
        try:
            outcome = check(native, row)
        except DataError as error:
            known = [loss for loss in LOSSES.get(original(name), ()) if loss in error.what]
            assert known, f"{name} loses something that is not listed: {error.what}"
            outcome = known[0]
        assert outcome != "contradicts" or original(name) in CONTRADICTS, row
        outcomes[outcome] += 1
    assert outcomes["equal"] >= ENOUGH, outcomes


@pytest.mark.skipif(not FOLDER, reason="TRL, which carries the templates, is not installed")
@pytest.mark.parametrize("name", [name for name in FILES if not holds_tools(name)])
def test_templates_that_lose_tools_are_refused_by_name(name: str) -> None:
    why = next(why for why, names in REFUSED.items() if original(name) in names)
    with pytest.raises(ModelError, match=why):
        probe.find(template(name), ("</s>",), SETTINGS)


ORDER = Tool(
    "order",
    "Order things.",
    {
        "type": "object",
        "properties": {
            "what": {"type": "string"},
            "count": {"type": "integer", "minimum": 1},
            "price": {"type": ["number", "null"]},
            "express": {"type": "boolean"},
            "size": {"enum": ["small", "large"]},
            "to": {"type": "object", "properties": {"city": {"type": "string"}, "home": {"type": "boolean"}}},
            "lines": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}},
        },
        "required": ["what"],
    },
)
STOP = Tool("stop", "Stop.", {"type": "object", "properties": {}})
FULL = {
    "what": 'tea "green" <b> it\'s',
    "count": 2,
    "price": 1.5,
    "express": True,
    "size": "large",
    "to": {"city": "São Paulo", "home": False},
    "lines": [{"id": 1}, {"id": 2}],
}
TURNS = [
    Message("assistant", "", (ToolCall("order", FULL),)),
    Message("assistant", "", (ToolCall("order", {"what": "a\nb"}), ToolCall("stop", {}))),
    Message("assistant", "At once.", (ToolCall("order", {"what": "", "express": False}),)),
    Message("assistant", "", (ToolCall("stop", {}),), thinking="Let me see."),
    Message("assistant", "Done."),
    Message("assistant", "Done.", thinking="Let me see."),
]


@pytest.mark.skipif(not FOLDER, reason="TRL, which carries the templates, is not installed")
@pytest.mark.parametrize("name", [name for name in FILES if holds_tools(name)])
def test_law_4_the_grammar_accepts_what_the_template_writes(name: str) -> None:
    llguidance = pytest.importorskip("llguidance")
    native = probe.find(template(name), ("</s>",), SETTINGS).dialect
    grammar = functools.cache(lambda choice, thinking: native.grammar((ORDER, STOP), choice, thinking=thinking).lark)
    accepted = 0
    for turn in TURNS:
        if turn.text and turn.calls and not native.family.beside:
            continue  # a grammar of such a family admits calls or text
        row = Conversation("1", (ORDER, STOP), (Message("user", "x"), turn))
        try:
            parts = list(native.segments(row))
        except DataError:
            continue
        opened = text_of(native.prompt(replace(row, messages=row.messages[:1])))
        own = text_of(parts)[len(opened) :]
        stop = next(part.text for part in reversed(parts) if part.kind is Kind.STOP)
        own = own[: own.rindex(stop)]
        matcher = llguidance.LLMatcher(
            llguidance.LLTokenizer("byte"),
            grammar("required" if turn.calls and not turn.text else "auto", "open" if native.carry(opened) else "may"),
        )
        assert not matcher.is_error(), matcher.get_error()
        tokens = list(own.encode())
        taken = matcher.try_consume_tokens(tokens)
        assert taken == len(tokens) and matcher.is_accepting(), (own[:taken], own[taken:])
        accepted += 1
    assert accepted >= 2
