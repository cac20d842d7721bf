"""A server in a thread of this process, whose model writes what the test says."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn

from callwright.dialects import dialect_for
from callwright.generate.engine import StepEngine
from callwright.generate.fake import FakeSteps
from callwright.models.tokenizer import load_tokenizer
from callwright.serve.app import make_app
from callwright.serve.desk import Settings
from callwright.serve.prepare import Served

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
            },
            "required": ["city"],
        },
    },
}
ALARM = {
    "type": "function",
    "function": {
        "name": "set_alarm",
        "parameters": {"type": "object", "properties": {"time": {"type": "string"}}, "required": ["time"]},
    },
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich 🌧", "unit": "celsius"}}\n</tool_call>'
TWO = CALL + '\n<tool_call>\n{"name": "set_alarm", "arguments": {"time": "seven"}}\n</tool_call>'


def served(texts: Sequence[str], name: str = "model", *, room: int = 8, **changes: Any) -> Served:
    """A model that writes these texts."""
    tokenizer = load_tokenizer("smollm2-135m")
    dialect = dialect_for("hermes", tokenizer)
    engine = StepEngine(FakeSteps(tokenizer, texts, 49_152, room=room), tokenizer, dialect.stops)
    return Served(name, dialect, tokenizer, engine, **changes)


@contextlib.contextmanager
def running(models: Sequence[Served], settings: Settings | None = None) -> Iterator[str]:
    """The server's address, while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(make_app(models, settings), port=port, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
