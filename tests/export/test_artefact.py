"""Servers that tell how they write prompts: llama.cpp's by its template, vLLM's and ours by their tokens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from callwright.dialects import dialect_for
from callwright.errors import EngineError
from callwright.export.artefact import open_artefact
from callwright.generate.reply import Options, make_prompt
from callwright.models.tokenizer import load_tokenizer
from callwright.types import Conversation, Message, Tool, ToolCall
from serve.serving import CALL, WEATHER, running, served

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
pytest.importorskip("openai", reason="the extra 'teacher' is not installed")
TOOL = Tool(**WEATHER["function"])  # type: ignore[arg-type]
ASKED = Conversation("1", (TOOL,), (Message("system", "Be brief."), Message("user", "Zürich?")))


@contextmanager
def answering(said: dict[str, Any]) -> Iterator[str]:
    """A server that says, for each path, this; and what it was asked, in `asked`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said.setdefault("asked", []).append((self.path, json.loads(body) if body else None))
            found = said.get(self.path)
            self.send_response(404 if found is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *given: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()


def test_our_own_server_tells_text_and_tokens() -> None:
    words = load_tokenizer("smollm2-135m")
    dialect = dialect_for("hermes", words)
    expected = make_prompt(ASKED, dialect, words)
    with running([served([CALL])]) as address:
        artefact = open_artefact(f"{address}/v1", dialect)
        told = artefact.written(ASKED)
        (answer,) = artefact.answers([ASKED], [told], Options())
    assert told.text == expected.text
    assert list(told.token_ids or ()) == list(expected.token_ids)
    (call,) = answer.reply.calls
    assert (call.name, call.arguments) == ("get_weather", {"city": "Zürich 🌧", "unit": "celsius"})


def test_llama_cpps_server_tells_the_text() -> None:
    said: dict[str, Any] = {"/v1/models": {"data": [{"id": "m"}]}, "/apply-template": {"prompt": "P"}}
    said["/tokenize"] = {"tokens": [1, 2]}
    with answering(said) as address:
        told = open_artefact(address, dialect_for("hermes", load_tokenizer("smollm2-135m"))).written(ASKED)
    assert (told.text, told.token_ids) == ("P", [1, 2])
    assert said["asked"][1][1]["tools"] == [WEATHER]
    assert said["asked"][2][1] == {"content": "P", "add_special": True, "parse_special": True}


def test_one_that_tells_nothing() -> None:
    words = load_tokenizer("smollm2-135m")
    with answering({}) as address:
        with pytest.raises(EngineError, match="give --name"):
            open_artefact(address, dialect_for("hermes", words))
        told = open_artefact(address, dialect_for("hermes", words), name="m").written(ASKED)
    assert (told.text, told.token_ids) == (None, None)


def test_calls_of_earlier_turns_are_sent_as_servers_take_them() -> None:
    said: dict[str, Any] = {"/apply-template": {"prompt": "P"}}
    turns = (
        Message("user", "?"),
        Message("assistant", "", (ToolCall("get_weather", {"city": "Bern"}),)),
        Message("tool", "21"),
    )
    with answering(said) as address:
        open_artefact(address, dialect_for("hermes", load_tokenizer("smollm2-135m")), name="m").written(
            Conversation("1", (TOOL,), turns)
        )
    sent = said["asked"][0][1]["messages"][1]["tool_calls"][0]["function"]
    assert sent == {"name": "get_weather", "arguments": '{"city": "Bern"}'}
