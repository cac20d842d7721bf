"""Parsers for other servers read what our dialects read. vLLM and SGLang are not installed: classes that have the
members which their sources published in November 2026 stand in for them."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from callwright.data import conversations
from callwright.dialects import dialect_for
from callwright.dialects.base import Dialect, text_of
from callwright.dialects.syntax.jsoncalls import dump
from callwright.export.servers import LAUNCHER, PLUGIN, llama_server, sglang, vllm
from callwright.export.shape import wrapped
from callwright.models.tokenizer import load_tokenizer
from callwright.types import Conversation, Reply
from tiny import tiny_folder

HOME = Path(__file__).parents[2] / "examples" / "home" / "holdout.jsonl"
DIALECTS = ("compact", "hermes", "qwen3-coder", "pythonic", "llama-json", "functiongemma")


@dataclass
class FunctionCall:
    name: str | None = None
    arguments: str | None = None


@dataclass
class ToolCall:
    id: str = ""
    type: str = "function"
    function: FunctionCall = field(default_factory=FunctionCall)
    index: int = 0


@dataclass
class Message:
    content: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    tools_called: bool = False


class Registry:
    parsers: ClassVar[dict[str, Any]] = {}

    @classmethod
    def register_module(cls, name: str) -> Any:
        return lambda made: cls.parsers.setdefault(name, made) and made


class Base:
    def __init__(self, tokenizer: Any, tools: Any = None) -> None:
        self.model_tokenizer = tokenizer
        self.prev_tool_call_arr: list[dict[str, Any]] = []
        self.streamed_args_for_tool: list[str] = []
        self.current_tool_id = -1


@dataclass
class ToolCallItem:
    tool_index: int
    name: str | None = None
    parameters: str = ""


@dataclass
class StreamingParseResult:
    normal_text: str = ""
    calls: list[ToolCallItem] = field(default_factory=list)


class Detector:
    def __init__(self) -> None:
        self.prev_tool_call_arr: list[dict[str, Any]] = []
        self.streamed_args_for_tool: list[str] = []
        self.current_tool_id = -1


@pytest.fixture
def words(tmp_path: Path) -> Any:
    return load_tokenizer(tiny_folder(tmp_path / "words"))


@pytest.fixture(params=[("vllm.tool_parsers", "vllm.entrypoints.openai.engine.protocol"), ("old", "old")])
def servers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM's modules as they are named now, and as they were."""
    parsers, protocol = request.param
    if parsers == "old":
        parsers, protocol = "vllm.entrypoints.openai.tool_parsers", "vllm.entrypoints.openai.protocol"
    Registry.parsers = {}
    contents: dict[str, dict[str, Any]] = {
        f"{parsers}.abstract_tool_parser": {"ToolParser": Base, "ToolParserManager": Registry},
        protocol: {
            "DeltaFunctionCall": FunctionCall,
            "DeltaMessage": Message,
            "DeltaToolCall": ToolCall,
            "ExtractedToolCallInformation": Message,
            "FunctionCall": FunctionCall,
            "ToolCall": ToolCall,
        },
        "sglang.srt.function_call.base_format_detector": {"BaseFormatDetector": Detector},
        "sglang.srt.function_call.core_types": {
            "StreamingParseResult": StreamingParseResult,
            "ToolCallItem": ToolCallItem,
        },
        "sglang.srt.function_call.function_call_parser": {
            "FunctionCallParser": SimpleNamespace(ToolCallParserEnum={}),
        },
    }
    for name, values in contents.items():
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            if ".".join(parts[:end]) not in sys.modules:
                package = ModuleType(".".join(parts[:end]))
                package.__path__ = []  # type: ignore[attr-defined]
                monkeypatch.setitem(sys.modules, package.__name__, package)
        vars(sys.modules[name]).update(values)


def outputs(dialect: Dialect, count: int) -> Iterator[tuple[Conversation, str]]:
    """What a model may write: right, cut anywhere, or with letters lost, with its stop or without."""
    rows = list(conversations(str(HOME)))
    rng = random.Random(7)
    for number in range(count):
        row = rows[number % len(rows)]
        prompt = text_of(dialect.prompt(Conversation("", row.tools, row.messages[:-1])))
        text = text_of(dialect.segments(row))[len(prompt) :]
        if number % 3 == 1:
            text = text[: rng.randrange(len(text))]
        elif number % 3 == 2:
            at = rng.randrange(len(text))
            text = text[:at] + text[at + rng.randrange(1, 4) :]
        yield row, text


def plain(dialect: Dialect, text: str) -> str:
    return text[: min((at for at in map(text.find, dialect.stops) if at >= 0), default=len(text))]


def found(reply: Reply) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(dump(call.arguments))) for call in reply.calls]


def follow(calls: list[tuple[str, Any]], streamed: Iterable[list[str]]) -> bool:
    """Whether whole calls were streamed, in order; between them may stand beginnings of broken ones."""
    told = iter(streamed)
    return all(any((name, arguments) == (one[0], whole(one[1])) for one in told) for name, arguments in calls)


def whole(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def pieces(text: str, rng: random.Random) -> Iterator[str]:
    while text:
        size = rng.randrange(1, 9)
        yield text[:size]
        text = text[size:]


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.usefixtures("servers")
def test_vllm_reads_what_the_dialect_reads(name: str, words: Any) -> None:
    dialect = dialect_for(name, words)
    exec(vllm(dialect, model="merged").files[PLUGIN], {})
    rng, called = random.Random(1), 0
    for row, text in outputs(dialect, 300):
        expected = dialect.parse(plain(dialect, text), row.tools)
        request = SimpleNamespace(tools=[wrapped(tool) for tool in row.tools], skip_special_tokens=True)
        parser = Registry.parsers["callwright"](words)
        assert parser.adjust_request(request).skip_special_tokens is (not row.tools)
        made = parser.extract_tool_calls(text, request)
        assert [(call.function.name, json.loads(call.function.arguments)) for call in made.tool_calls] == found(
            expected
        )
        assert made.tools_called == bool(expected.calls)
        assert (made.content or "") == expected.text + "".join(bad.text for bad in expected.broken)
        assert all(call.id for call in made.tool_calls)
        parser, before, streamed = Registry.parsers["callwright"](words), "", {}
        for piece in pieces(text, rng):
            delta = parser.extract_tool_calls_streaming(before, before + piece, piece, [], [], [], request)
            before += piece
            for call in delta.tool_calls if delta else ():
                one = streamed.setdefault(call.index, ["", ""])
                one[0] += call.function.name or ""
                one[1] += call.function.arguments or ""
        assert follow(found(expected), streamed.values())
        assert [entry["arguments"] for entry in parser.prev_tool_call_arr] == [one[1] for one in streamed.values()]
        called += len(expected.calls)
    assert called > 100


@pytest.mark.parametrize("name", DIALECTS[:3])
@pytest.mark.usefixtures("servers")
def test_sglang_reads_what_the_dialect_reads(name: str, words: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dialect = dialect_for(name, words)
    inside: dict[str, Any] = {"__name__": "started"}
    exec(sglang(dialect, model="merged").files[LAUNCHER], inside)
    inside["tokenizer_of"] = lambda path: words
    rng = random.Random(1)
    for row, text in outputs(dialect, 60):
        expected = dialect.parse(plain(dialect, text), row.tools)
        tools = [SimpleNamespace(model_dump=lambda tool=tool: wrapped(tool)) for tool in row.tools]
        made = inside["CallwrightDetector"]().detect_and_parse(text, tools)
        assert [(item.name, json.loads(item.parameters)) for item in made.calls] == found(expected)
        assert inside["CallwrightDetector"]().has_tool_call(text) == bool(expected.calls or expected.broken)
        streaming, streamed = inside["CallwrightDetector"](), {}
        for piece in pieces(plain(dialect, text), rng):
            for item in streaming.parse_streaming_increment(piece, tools).calls:
                one = streamed.setdefault(item.tool_index, ["", ""])
                one[0] += item.name or ""
                one[1] += item.parameters
        assert follow(found(expected), streamed.values())


@pytest.mark.usefixtures("servers")
def test_sglang_is_started_with_the_parser(words: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: dict[str, Any] = {"__name__": "started"}
    exec(sglang(dialect_for("compact", words), model="merged").files[LAUNCHER], inside)
    ran: list[Any] = []
    for name, values in {
        "sglang.launch_server": {"run_server": ran.append},
        "sglang.srt.server_args": {"prepare_server_args": list},
    }.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "argv", ["x", "--model-path", "there", "--tool-call-parser", "callwright"])
    inside["main"]()
    assert ran == [["--model-path", "there", "--tool-call-parser", "callwright"]]
    assert inside["CallwrightDetector"].model_path == "there"
    assert inside["FunctionCallParser"].ToolCallParserEnum == {"callwright": inside["CallwrightDetector"]}


def test_commands(words: Any) -> None:
    dialect = dialect_for("hermes", words)
    alone = vllm(dialect, model="../merged")
    assert alone.command.startswith(
        "vllm serve ../merged --served-model-name tuned --chat-template chat_template.jinja "
    )
    assert "'hermes', may do as well" in alone.files[PLUGIN]
    beside = vllm(dialect, model="org/base", adapter="../adapter", name="home", rank=12)
    assert " --enable-lora --max-lora-rank 16 --lora-modules home=../adapter " in beside.command
    assert (
        "--lora-paths home=../adapter" in sglang(dialect, model="org/base", adapter="../adapter", name="home").command
    )
    assert "vLLM has no parser" in vllm(dialect_for("xlam", words), model="m").files[PLUGIN]
    assert (
        llama_server(model="m.gguf").command
        == "llama-server --model m.gguf --alias tuned --jinja --temp 0 --ctx-size 8192"
    )
