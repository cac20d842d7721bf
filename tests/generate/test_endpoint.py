"""A server as an engine, both ways; what it says wrong and that it says nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from callwright.dialects import dialect_for
from callwright.errors import EngineError
from callwright.generate.endpoint import EndpointEngine
from callwright.generate.reply import Options, reply
from callwright.models.tokenizer import load_tokenizer
from callwright.tools.jsonfile import tool_from_json
from callwright.types import Conversation, Ending, Message
from serve.serving import ALARM, TWO, WEATHER, running, served

TOOLS = tuple(tool_from_json(tool, "test") for tool in (WEATHER, ALARM))
ROWS = [Conversation(str(number), TOOLS, (Message("user", f"Weather, number {number}?"),)) for number in range(5)]
CALLS = [("get_weather", {"city": "Zürich 🌧", "unit": "celsius"}), ("set_alarm", {"time": "seven"})]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running([served([TWO])]) as found:
        yield f"{found}/v1"


def test_conversations_are_sent_with_their_tools(address: str) -> None:
    answers = list(EndpointEngine(address, "model", key_variable="UNSET").answers(ROWS, Options()))
    assert len(answers) == len(ROWS)
    for answer in answers:
        assert [(call.name, call.arguments) for call in answer.reply.calls] == CALLS
        assert answer.reply.ending is Ending.STOP
        assert answer.tokens > 0
        assert [json.loads(line)["arguments"] for line in answer.raw.splitlines()] == [given for _, given in CALLS]


def test_prompts_are_written_here_and_calls_read_here(address: str) -> None:
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for("hermes", tokenizer)
    engine = EndpointEngine(address, "model", dialect.stops, key_variable="UNSET")
    for answer in reply(ROWS, dialect, tokenizer, engine, Options()):
        assert [(call.name, call.arguments) for call in answer.reply.calls] == CALLS


def test_lengths_and_refusals_come_through(address: str) -> None:
    engine = EndpointEngine(address, "model", tries=0, key_variable="UNSET")
    (cut,) = engine.answers(ROWS[:1], Options(max_new_tokens=8))
    assert cut.reply.ending is Ending.LENGTH
    with pytest.raises(EngineError, match="there is no model 'other'"):
        list(EndpointEngine(address, "other", tries=0, key_variable="UNSET").answers(ROWS, Options()))
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9"):
        list(EndpointEngine("http://127.0.0.1:9/v1", "model", tries=0).answers(ROWS, Options()))


def test_arguments_that_are_no_object_are_kept_as_broken() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = ['{"city": "Be', "[1]", "{}"]
            calls = [
                {"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": each}}
                for n, each in enumerate(sent)
            ]
            message: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": calls}
            body = json.dumps(
                {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 1,
                    "model": "m",
                    "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
                }
            ).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        engine = EndpointEngine(f"http://127.0.0.1:{server.server_port}/v1", "m", tries=0)
        (answer,) = engine.answers(ROWS[:1], Options())
    finally:
        server.shutdown()
    assert [call.arguments for call in answer.reply.calls] == [{}]
    assert [bad.reason[:27] for bad in answer.reply.broken] == [
        "the arguments are not JSON:",
        "the arguments are a JSON li",
    ]
