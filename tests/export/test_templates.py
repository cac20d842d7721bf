"""The prompts that other servers write, with what is exported for them, are the prompts of training."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from callwright.data import conversations
from callwright.dialects import DIALECTS, dialect_for, examine
from callwright.dialects.base import Dialect, text_of
from callwright.dialects.native import to_template
from callwright.dialects.xlam import XlamTags
from callwright.errors import ModelError
from callwright.export.jinja import chat_template
from callwright.export.ollama import go_template, modelfile
from callwright.export.shape import shape_of, wrapped
from callwright.generate.reply import make_prompt
from callwright.models.tokenizer import load_tokenizer
from callwright.types import Conversation, Message, Tool, ToolCall
from tiny import tiny_folder

HOME = Path(__file__).parents[2] / "examples" / "home" / "holdout.jsonl"
DATA = Path(os.environ.get("CALLWRIGHT_DATA", Path(__file__).parents[3] / "shared" / "data")) / "dev"
FITTING = ("hermes", "compact", "xlam-json", "llama-json", "mistral", "mistral-v11", "phi4-mini")
FITTING += ("granite", "granite-3.0", "deepseek-v3", "deepseek-v3.1", "functionary")
"""Dialects whose calls are a name and a JSON object: others' templates are not written."""

TEXT = {"type": "string"}
TOOLS = (
    Tool(
        "find.it-now_2",
        "Finds a <b>thing</b> & 'more' — {% braces %}.",
        {
            "type": "object",
            "properties": {
                "what": {"type": "string", "enum": ["a", "b'\"", "é"], "description": "What?"},
                "near": {"type": "array", "items": TEXT, "default": []},
                "deep": {"type": "object", "properties": {"x-y": {"type": ["number", "null"]}}, "required": ["x-y"]},
                "odd": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            },
            "required": ["what"],
        },
    ),
    Tool("ring", "", {"type": "object", "properties": {"z": TEXT, "a": {"type": "integer"}}}),
    Tool("free", "Takes anything.", {"type": "object", "additionalProperties": True}),
)
CALLS = (
    ToolCall(TOOLS[0].name, {"what": "b'\"", "near": ["<x>", "\n"], "deep": {"x-y": None}}),
    ToolCall("ring", {"a": 3, "z": 'a "b" </tool_call> {{ }}'}),
    ToolCall("free", {}),
)


def dialogue(name: str, *turns: Message, tools: Sequence[Tool] = TOOLS) -> Conversation:
    return Conversation(name, tuple(tools), turns)


def awkward() -> list[Conversation]:
    """Every kind of turn, with texts that templates, JSON and HTML have other uses for."""
    ask, rule = Message("user", "  hi {{ there }} <&> '\"\\ \n"), Message("system", "Be {% brief %}. é\n")
    done, then = Message("assistant", "Done {{."), Message("user", "{%- and -%} now?")
    made = Message("assistant", "", CALLS)
    beside = Message("assistant", "One moment.", CALLS[:1])
    got = [Message("tool", text, name=call.name) for text, call in zip(('{"a": 1}', "", "{{"), CALLS, strict=True)]
    return [
        dialogue("plain", ask, tools=()),
        dialogue("system", rule, ask, tools=()),
        dialogue("tools", ask),
        dialogue("both", rule, ask, done, then),
        dialogue("called", rule, ask, made, *got),
        dialogue("answered", ask, beside, got[0], done, then, made, *got, done, then),
        dialogue("later", ask, done, rule, then),
    ]


def held_out() -> list[Conversation]:
    """Real rows, before their last turn."""
    files = [HOME, *sorted(DATA.glob("*.jsonl.gz"))]
    rows = [row for file in files for row in islice(conversations(str(file)), 25)]
    return [replace(row, messages=row.messages[:-1]) for row in rows]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_tokenizer(tiny_folder(tmp_path_factory.mktemp("words")))


def writable(dialect: Dialect, rows: Sequence[Conversation]) -> list[tuple[Conversation, str]]:
    """Rows with the prompts of training, without those that the dialect itself has no place for."""
    found = []
    for row in rows:
        beside = any(message.text and message.calls for message in row.messages)
        if (beside and not dialect.family.beside) or (isinstance(dialect, XlamTags) and len(row.messages) > 1):
            continue
        found.append((row, text_of(dialect.prompt(row))))
    return found


@pytest.mark.parametrize("name", [*FITTING, "xlam"])
def test_transformers_writes_the_prompts_of_training(name: str, words: Any) -> None:
    dialect = dialect_for(name, words)
    words.chat_template = chat_template(dialect, words)
    rows = writable(dialect, [*awkward(), *held_out()])
    assert len(rows) > 20
    for row, wanted in rows:
        tools = [wrapped(tool) for tool in row.tools] or None
        messages = to_template(row, len(row.messages))
        settings: dict[str, Any] = {"tools": tools, "add_generation_prompt": True}
        assert words.apply_chat_template(messages, tokenize=False, **settings) == wanted, row.id
        written = words.apply_chat_template(messages, tokenize=True, return_dict=True, **settings)["input_ids"]
        assert written == list(make_prompt(row, dialect, words).token_ids), row.id
        # the API's own form of arguments
        as_text = to_template(row, len(row.messages), as_text=True)
        assert words.apply_chat_template(as_text, tokenize=False, **settings) == wanted, row.id


@pytest.mark.parametrize("name", FITTING)
def test_ollama_writes_the_prompts_of_training(name: str, words: Any, tmp_path: Path) -> None:
    if shutil.which("go") is None:
        pytest.skip("go is not installed; Debian has it as 'golang'")
    dialect = dialect_for(name, words)
    made = shape_of(dialect)
    by_tools: dict[str, list[tuple[Conversation, str]]] = {}
    for row, wanted in writable(dialect, [*awkward(), *held_out()]):
        if row.messages[-1].role != "assistant":
            by_tools.setdefault(json.dumps([wrapped(tool) for tool in row.tools]), []).append((row, wanted))
    # the rows with one tool set are one template's
    some = sorted(by_tools.values(), key=len, reverse=True)[:8]
    jobs = [{"template": go_template(made, rows[0][0].tools), "rows": [asked(row) for row, _ in rows]} for rows in some]
    for rows, texts in zip(some, rendered(jobs, tmp_path), strict=True):
        for (row, wanted), text in zip(rows, texts, strict=True):
            assert text == wanted, row.id


def asked(row: Conversation) -> dict[str, Any]:
    """A request to Ollama's own API."""
    messages = []
    for message in to_template(row, len(row.messages)):
        calls = [{"function": call["function"]} for call in message.get("tool_calls", ())]
        messages.append({"role": message["role"], "content": message["content"], "tool_calls": calls})
    return {"messages": messages, "tools": [wrapped(tool) for tool in row.tools]}


def rendered(jobs: Sequence[dict[str, Any]], folder: Path) -> list[list[str]]:
    """What Go's text/template makes of each job's rows."""
    program = folder / "render"
    source = Path(__file__).with_name("render.go")
    settings = {**os.environ, "GOCACHE": str(Path.home() / ".cache" / "go-build"), "GO111MODULE": "off"}
    subprocess.run(["go", "build", "-o", str(program), str(source)], check=True, env=settings, timeout=300)
    texts = []
    for job in jobs:
        done = subprocess.run([str(program)], input=json.dumps(job), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        texts.append(json.loads(done.stdout))
    return texts


@pytest.mark.parametrize("name", [name for name in DIALECTS if name not in (*FITTING, "xlam", "native")])
def test_a_dialect_that_no_template_fits_is_refused(name: str, words: Any) -> None:
    with pytest.raises(ModelError, match=r"does not fit a template: .*; use 'callwright serve'"):
        chat_template(dialect_for(name, words), words)


OWN = (
    "{%- for tool in tools or [] -%}{{ tool | tojson }}\n{%- endfor -%}"
    "{%- for m in messages -%}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
    "{%- for c in m['tool_calls'] or [] -%}{{ '<tool_call>\\n{\"name\": ' }}{{ c['function']['name'] | tojson }}"
    "{{ ', \"arguments\": ' }}{{ c['function']['arguments'] | tojson }}{{ '}\\n</tool_call>' }}{%- endfor -%}"
    "<|im_end|>\n{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|im_start|>assistant\n"
    "{%- if enable_thinking is not defined or enable_thinking -%}<think>\n{%- endif -%}{%- endif -%}"
)
"""A model's own template, which would have it think unless a request says otherwise."""


def test_a_models_own_template_is_kept_with_its_settings(words: Any) -> None:
    words.chat_template = OWN
    dialect = examine(words, {"enable_thinking": False}).dialect
    words.chat_template = chat_template(dialect, words)
    row = awkward()[2]
    wanted = text_of(dialect.prompt(row))
    assert not wanted.endswith("<think>")
    tools = [wrapped(tool) for tool in row.tools]
    given = {"tools": tools, "add_generation_prompt": True, "tokenize": False}
    assert words.apply_chat_template(to_template(row, 1), **given) == wanted
    assert words.apply_chat_template(to_template(row, 1), **given, enable_thinking=True) == wanted + "<think>"


def test_python_dicts_have_no_template(words: Any) -> None:
    with pytest.raises(ModelError, match="no chat template is written for Python dicts"):
        chat_template(XlamTags("</s>", python_dicts=True), words)


def test_a_modelfile_names_weights_and_stops(words: Any) -> None:
    dialect = dialect_for("hermes", words)
    text = modelfile(shape_of(dialect), TOOLS, dialect.stops, "./model.gguf")
    assert text.startswith('FROM ./model.gguf\nTEMPLATE """')
    assert '\nPARAMETER stop "<|im_end|>"\n' in text
    assert text.count('"""') == 2
