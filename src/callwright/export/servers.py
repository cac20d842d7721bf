"""A dialect -> how other servers are started for it, and a parser of its calls for those that have none.

The parsers import callwright's own, which needs neither torch nor transformers: a server reads what training wrote.
vLLM and SGLang could not be run here: their classes are taken as their sources published them in November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

from callwright.dialects.base import Dialect
from callwright.dialects.serving import SERVED, Parsers

PLUGIN = "callwright_tool_parser.py"
LAUNCHER = "serve_sglang.py"
NEEDED = "pip install --no-deps callwright jsonschema-rs"


@dataclass(frozen=True, slots=True)
class Start:
    """How a server is started. command: of a shell. files: by name, what it needs beside the model."""

    command: str
    files: dict[str, str]


def parsers_of(dialect: Dialect) -> Parsers:
    """What servers have built in for the calls of a dialect."""
    return SERVED.get(dialect.family.name, Parsers())


def vllm(dialect: Dialect, *, model: str, adapter: str = "", name: str = "tuned", rank: int = 16) -> Start:
    """model: the merged one's folder, or the base's name with an adapter's folder. Our parser is used: vLLM's own of a
    family, where it has one, is named in the file."""
    known = parsers_of(dialect).vllm
    lora = f" --enable-lora --max-lora-rank {_rank(rank)} --lora-modules {name}={adapter}" if adapter else ""
    command = (
        f"vllm serve {model} --served-model-name {'base' if adapter else name}{lora}"
        f" --chat-template chat_template.jinja --enable-auto-tool-choice"
        f" --tool-parser-plugin {PLUGIN} --tool-call-parser callwright"
    )
    return Start(command, {PLUGIN: _VLLM.format(dialect=dialect.name, own=_own("vLLM", known))})


def sglang(dialect: Dialect, *, model: str, adapter: str = "", name: str = "tuned", rank: int = 16) -> Start:
    """As `vllm`. SGLang has no option for a parser of one's own: it is started by a file that adds ours."""
    lora = f" --enable-lora --max-lora-rank {_rank(rank)} --lora-paths {name}={adapter}" if adapter else ""
    command = (
        f"python {LAUNCHER} --model-path {model} --served-model-name {'base' if adapter else name}{lora}"
        f" --chat-template chat_template.jinja --tool-call-parser callwright"
    )
    return Start(
        command, {LAUNCHER: _SGLANG.format(dialect=dialect.name, own=_own("SGLang", parsers_of(dialect).sglang))}
    )


def llama_server(*, model: str, name: str = "tuned", stops: tuple[str, ...] = ()) -> Start:
    """llama.cpp's server, which writes prompts with the template inside the file."""
    return Start(f"llama-server --model {model} --alias {name} --jinja --temp 0 --ctx-size 8192", {})


def _rank(rank: int) -> int:
    """vLLM takes 8, 16, 32 and so on."""
    return next((size for size in (8, 16, 32, 64, 128, 256, 320, 512) if size >= rank), rank)


def _own(server: str, known: str) -> str:
    if known:
        return f"{server}'s own parser of this family, '{known}', may do as well: `callwright verify` says."
    return f"{server} has no parser for these calls."


_READ = '''
import json

from callwright.dialects import dialect_for
from callwright.dialects.syntax.jsoncalls import dump
from callwright.dialects.told import ToldDeltas, call_id
from callwright.types import Tool


def tools_of(given):
    """A request's tools, as classes or as JSON."""
    found = []
    for one in given or ():
        plain = one if isinstance(one, dict) else one.model_dump()
        function = plain.get("function", plain)
        if function.get("name"):
            schema = function.get("parameters") or {{"type": "object", "properties": {{}}}}
            found.append(Tool(function["name"], function.get("description") or "", schema))
    return tuple(found)


def cut(text, stops):
    """A text before the first stop, which servers leave in where special tokens are not skipped."""
    return text[: min((at for at in map(text.find, stops) if at >= 0), default=len(text))]
'''

_VLLM = (
    '''"""vLLM's tool-call parser for the {dialect} dialect, by `callwright export`. {own}

    '''
    + NEEDED
    + """
    vllm serve MODEL --enable-auto-tool-choice --tool-parser-plugin """
    + PLUGIN
    + ''' --tool-call-parser callwright
"""
'''
    + _READ
    + """

try:
    from vllm.tool_parsers.abstract_tool_parser import ToolParser, ToolParserManager
except ImportError:  # vLLM before 0.13
    from vllm.entrypoints.openai.tool_parsers.abstract_tool_parser import ToolParser, ToolParserManager
try:
    from vllm.entrypoints.openai.engine.protocol import (
        DeltaFunctionCall,
        DeltaMessage,
        DeltaToolCall,
        ExtractedToolCallInformation,
        FunctionCall,
        ToolCall,
    )
except ImportError:
    from vllm.entrypoints.openai.protocol import (
        DeltaFunctionCall,
        DeltaMessage,
        DeltaToolCall,
        ExtractedToolCallInformation,
        FunctionCall,
        ToolCall,
    )


@ToolParserManager.register_module("callwright")
class CallwrightToolParser(ToolParser):
    # calls that must be made are written in the dialect too, not as the JSON list that vLLM would ask for
    supports_required_and_named = False

    def __init__(self, tokenizer, *given, **named):
        super().__init__(tokenizer, *given, **named)
        self.dialect = dialect_for("{dialect}", tokenizer)
        self.stream = self.told = None

    def adjust_request(self, request):
        # what opens a call may be a special token
        if getattr(request, "tools", None):
            request.skip_special_tokens = False
        return request

    def extract_tool_calls(self, model_output, request, *given, **named):
        reply = self.dialect.parse(cut(model_output, self.dialect.stops), tools_of(request.tools))
        calls = [
            ToolCall(
                id=call.id or call_id(),
                type="function",
                function=FunctionCall(name=call.name, arguments=dump(call.arguments)),
            )
            for call in reply.calls
        ]
        text = "".join([reply.text, *(bad.text for bad in reply.broken)])
        return ExtractedToolCallInformation(tools_called=bool(calls), tool_calls=calls, content=text or None)

    def extract_tool_calls_streaming(
        self,
        previous_text,
        current_text,
        delta_text,
        previous_token_ids,
        current_token_ids,
        delta_token_ids,
        request,
    ):
        if not previous_text:
            self.stream, self.told = self.dialect.stream(tools_of(request.tools)), ToldDeltas()
        new = cut(current_text, self.dialect.stops)[len(cut(previous_text, self.dialect.stops)) :]
        found = self.stream.feed(new)
        delta = self.told.tell(found)
        pieces = []
        for entry in delta.get("tool_calls", ()):
            index, function = entry["index"], entry["function"]
            while len(self.streamed_args_for_tool) <= index:
                self.streamed_args_for_tool.append("")
                self.prev_tool_call_arr.append({{"name": function.get("name", ""), "arguments": ""}})
            self.streamed_args_for_tool[index] += function["arguments"]
            # vLLM sends at the end what it finds here and has not sent
            self.prev_tool_call_arr[index]["arguments"] = self.streamed_args_for_tool[index]
            self.current_tool_id = index
            pieces.append(DeltaToolCall(**{{**entry, "function": DeltaFunctionCall(**function)}}))
        if not pieces and "content" not in delta:
            return None
        return DeltaMessage(content=delta.get("content"), tool_calls=pieces)
"""
)

_SGLANG = (
    '''"""Starts SGLang with a parser for the {dialect} dialect, by `callwright export`. {own}

    '''
    + NEEDED
    + """
    python """
    + LAUNCHER
    + ''' --model-path MODEL --tool-call-parser callwright
"""
'''
    + _READ
    + """

from sglang.srt.function_call.base_format_detector import BaseFormatDetector
from sglang.srt.function_call.core_types import StreamingParseResult, ToolCallItem
from sglang.srt.function_call.function_call_parser import FunctionCallParser


class CallwrightDetector(BaseFormatDetector):
    model_path = None

    def __init__(self):
        super().__init__()
        self.dialect = dialect_for("{dialect}", tokenizer_of(self.model_path))
        self.stream, self.told = None, ToldDeltas()

    def has_tool_call(self, text):
        reply = self.dialect.parse(cut(text, self.dialect.stops))
        return bool(reply.calls or reply.broken)

    def detect_and_parse(self, text, tools):
        reply = self.dialect.parse(cut(text, self.dialect.stops), tools_of(tools))
        names = [tool.name for tool in tools_of(tools)]
        calls = [
            ToolCallItem(
                tool_index=names.index(call.name) if call.name in names else -1,
                name=call.name,
                parameters=dump(call.arguments),
            )
            for call in reply.calls
        ]
        return StreamingParseResult(normal_text="".join([reply.text, *(bad.text for bad in reply.broken)]), calls=calls)

    def parse_streaming_increment(self, new_text, tools):
        if self.stream is None:
            self.stream = self.dialect.stream(tools_of(tools))
        found = self.stream.feed(cut(new_text, self.dialect.stops))
        delta = self.told.tell(found)
        calls = []
        for entry in delta.get("tool_calls", ()):
            index, function = entry["index"], entry["function"]
            while len(self.streamed_args_for_tool) <= index:
                self.streamed_args_for_tool.append("")
                self.prev_tool_call_arr.append({{"name": function.get("name", ""), "arguments": {{}}}})
            self.streamed_args_for_tool[index] += function["arguments"]
            self.current_tool_id = index
            calls.append(
                ToolCallItem(tool_index=index, name=function.get("name"), parameters=function["arguments"])
            )
        for number, call in enumerate(found.calls, self.told.calls - len(found.calls)):
            if number < len(self.prev_tool_call_arr):
                self.prev_tool_call_arr[number] = {{"name": call.name, "arguments": call.arguments}}
        return StreamingParseResult(normal_text=delta.get("content", ""), calls=calls)

    def supports_structural_tag(self):
        return False

    def structure_info(self):
        raise NotImplementedError


def tokenizer_of(path, known={{}}):
    from transformers import AutoTokenizer

    if path not in known:
        known[path] = AutoTokenizer.from_pretrained(path)
    return known[path]


def main():
    import sys

    for given, there in zip(sys.argv, sys.argv[1:], strict=False):
        if given in ("--model-path", "--model"):
            CallwrightDetector.model_path = there
    FunctionCallParser.ToolCallParserEnum["callwright"] = CallwrightDetector
    try:  # newer versions check the name against this list
        from sglang.srt.function_call.parser_names import TOOL_CALL_PARSER_NAMES

        TOOL_CALL_PARSER_NAMES.append("callwright")
    except ImportError:
        pass
    from sglang.launch_server import run_server
    from sglang.srt.server_args import prepare_server_args

    run_server(prepare_server_args(sys.argv[1:]))


if __name__ == "__main__":
    main()
"""
)
