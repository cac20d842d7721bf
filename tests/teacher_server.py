"""A local OpenAI-compatible server that knows the right rows of examples/home, and misbehaves by a seed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from callwright.synth import Options, Plan, generate, load_phrasebook
from callwright.synth.prompts import WISHES
from callwright.tools import load_tools
from callwright.types import Conversation, JsonObject

HOME = Path(__file__).parents[1] / "examples" / "home"
TOOLS = load_tools(str(HOME / "tools.py"))
BOOK = load_phrasebook(HOME / "phrases.yaml", TOOLS)

TRANSPORT = (
    "429 wait", "429", "500", "503 page", "time-out", "cut", "reset", "drip",
    "broken body", "no choices", "null message", "empty answer", "not an object",
)  # fmt: skip
"""What can go wrong with a whole answer; after three such tries of a question it is answered."""
CONTENT = ("wrong tool", "invented argument", "invented value", "schema", "echo", "duplicate", "empty", "not a row")
"""What can be wrong with one row of an answer."""
_SLOW = ("time-out", "drip")


def form(request: str, calls: list[JsonObject], answer: str = "") -> str:
    """A request, its calls and its answer as one text, to look them up by."""
    return json.dumps([request, calls, answer], sort_keys=True)


def form_of(row: Conversation) -> str:
    """The same of a made row; of a dialogue all that the user says, and no answer."""
    said = "\n".join(message.text for message in row.messages if message.role == "user")
    calls = [{"name": call.name, "arguments": call.arguments} for message in row.messages for call in message.calls]
    return form(said, calls, row.messages[-1].text)


def server_key(asked: JsonObject) -> str:
    """What the server knows a question by: all that was sent."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


class TeacherServer:
    """Serves `/v1/chat/completions`. `faults` is the share of tries that fail, `wrong` of rows that are not right."""

    def __init__(self, seed: int = 0, faults: float = 0.0, wrong: float = 0.0, kinds: tuple[str, ...] = TRANSPORT):
        self.seed, self.faults, self.wrong, self.kinds = seed, faults, wrong, kinds
        self.delay = 0.0
        self.usage = True
        self.ending = threading.Event()
        self.changed = threading.Condition()
        self.tries: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        """By question: times that a good answer was sent whole."""
        self.texts: dict[str, str] = {}
        self.bodies: list[str] = []
        """Bodies that were sent whole and hold no answer."""
        self.keys: set[str] = set()
        self.tokens = 0
        """All that was worked for, whether it arrived or not."""
        self.fault_counts: Counter[str] = Counter()
        self.right: set[str] = set()
        self.bad: dict[str, str] = {}
        self._pools: dict[str, list[Conversation]] = {}
        plan = Plan.of({"single": 0.4, "parallel": 0.2, "no_call": 0.2, "missing": 0.2})
        for row in generate(TOOLS, BOOK, 1500, seed, Options(plan)):
            self._pools.setdefault(row.source.removeprefix("synth:"), []).append(row)
        self._http = _Http(("127.0.0.1", 0), type("Handler", (_Handler,), {"teacher": self}))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.ending.set()
        self._http.shutdown()
        self._http.server_close()

    def begin(self, asked: JsonObject) -> tuple[str, str]:
        """(the question's key, the fault of this try)."""
        key = server_key(asked)
        with self.changed:
            number = self.tries[key]
            self.tries[key] += 1
            rng = random.Random(f"{self.seed}:{key}:{number}")
            fault = rng.choice(self.kinds) if number < 3 and rng.random() < self.faults else ""
            if fault in _SLOW and self.fault_counts[fault]:
                fault = "500"  # once is enough to wait for
            self.fault_counts[fault] += 1
            return key, fault

    def answer(self, key: str, asked: JsonObject) -> tuple[str, JsonObject]:
        """(the text, the usage) for a question: the same each time that it is asked."""
        prompt = "\n".join(message["content"] for message in asked["messages"])
        text = self._text(random.Random(f"{self.seed}:{key}"), prompt)
        prompt_tokens, completion_tokens = len(prompt) // 4 + 30, min(len(text) // 4 + 1, asked["max_tokens"])
        with self.changed:
            self.tokens += prompt_tokens + completion_tokens
        return text, {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}

    def delivered(self, key: str, text: str, body: str, fault: str) -> None:
        with self.changed:
            if not fault:
                self.answered[key] += 1
                self.texts[key] = text
            else:
                self.bodies.append(body)
            self.changed.notify_all()

    def _text(self, rng: random.Random, prompt: str) -> str:
        if '{"right": true}' in prompt:
            return 'I looked at it.\n{"right": true}' if rng.random() < 0.8 else '{"right": false, "why": "odd"}'
        category = next(name for name, wish in WISHES.items() if wish in prompt)
        count = int(re.search(r"Write (\d+) different", prompt)[1])  # type: ignore[index]
        rows: list[Any] = []
        for _ in range(count):
            raw = self._row(rng, category)
            fault = rng.choice(CONTENT) if rng.random() < self.wrong else ""
            rows.append(self._spoilt(rng, raw, fault, prompt, rows) if fault else raw)
            if not fault:
                with self.changed:
                    self.right.add(_form_of_raw(raw))
        return _wrapped(rng, rows)

    def _row(self, rng: random.Random, category: str) -> JsonObject:
        if category == "multi_turn":
            (first, calls), (second, more) = (_said(rng.choice(self._pools["single"])) for _ in range(2))
            done = {"calls": calls, "results": ["ok"]}
            return {"turns": [{"user": first}, done, {"assistant": "Done."}, {"user": second}, {"calls": more}]}
        row = rng.choice(self._pools[category])
        request, calls = _said(row)
        raw: JsonObject = {"request": request, "calls": calls, "answer": row.messages[1].text}
        return raw | ({"missing": _missing(request, raw["answer"])} if category == "missing" else {})

    def _spoilt(self, rng: random.Random, raw: JsonObject, fault: str, prompt: str, rows: list[Any]) -> Any:
        """A row that must not be accepted."""
        spoilt: JsonObject = json.loads(json.dumps(raw))
        turns = spoilt.get("turns")
        holder = turns[-1] if turns else spoilt
        calls = holder["calls"]
        says = (turns[0], "user") if turns else (spoilt, "request")
        if fault == "not a row":
            return rng.choice([7, "text", {"turns": 5}, {"request": ["a"]}, {"request": "..."}, None])
        if fault == "duplicate" and rows and rows[-1] is not None:
            return rows[-1]
        if calls and fault == "wrong tool":
            calls[0]["name"] = "open_window"
        elif calls and fault == "invented argument":
            calls[0]["arguments"]["colour"] = "red"
        elif calls and fault == "invented value":
            calls[0] = {"name": "navigate_to", "arguments": {"destination": "Zanzibar airport"}}
        elif calls and fault == "schema":
            calls[0] = {"name": "set_volume", "arguments": {"level": "very loud"}}
        elif fault == "echo" or calls:
            says[0][says[1]] = " ".join(prompt.split("\n\n")[-1].split()[4:40]).replace("{", "").replace("}", "")
        else:
            spoilt["answer"] = " "
        with self.changed:
            self.bad[_form_of_raw(spoilt)] = fault
        return spoilt


def _said(row: Conversation) -> tuple[str, list[JsonObject]]:
    calls = [{"name": call.name, "arguments": call.arguments} for call in row.messages[1].calls]
    return row.messages[0].text, calls


def _missing(request: str, question: str) -> JsonObject:
    """The tool and parameter that a phrasebook's request leaves out."""
    for tool in TOOLS:
        if any(question == asked for _, asked in BOOK.tools[tool.name].missing):
            for name in tool.parameters["required"]:
                values = tool.parameters["properties"][name].get("enum", ())
                if not any(re.search(rf"\b{value}\b", request.casefold()) for value in values):
                    return {"tool": tool.name, "parameter": name}
    return {"tool": "none", "parameter": "none"}


def _form_of_raw(raw: JsonObject) -> str:
    if "turns" in raw:
        said = [turn["user"] for turn in raw["turns"] if "user" in turn]
        return form("\n".join(said), [call for turn in raw["turns"] for call in turn.get("calls", ())])
    return form(raw["request"], raw["calls"], raw["answer"])


def _wrapped(rng: random.Random, rows: list[Any]) -> str:
    """The same rows as models send them: bare, in a fence, among words, one a line, broken off."""
    text = json.dumps(rows, indent=rng.choice([None, 2]))
    return rng.choice(
        [
            text,
            f"```json\n{text}\n```",
            f"<think>They want [rows] like {{this}}.</think>\nSure! Here you go:\n\n```\n{text}\n```\nAnything else?",
            "\n".join(json.dumps(row) for row in rows),
            json.dumps({"rows": rows}),
            f'{text.rstrip().removesuffix("]")}, {{"request": "and the last one is brok',
        ]
    )


class _Http(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: a client that was killed is part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    teacher: TeacherServer

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.teacher.keys.add(self.headers["Authorization"])
        key, fault = self.teacher.begin(asked)
        self.teacher.ending.wait(self.teacher.delay)
        # the other side may be gone by now
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if fault == "401":
                self.send(401, json.dumps({"error": {"message": f"wrong key: {self.headers['Authorization'][7:]}"}}))
            elif fault.startswith("429"):
                self.send(429, "{}", {"retry-after": "0.01"} if "wait" in fault else {})
            else:
                self.serve(key, fault, asked)
            return
        self.close_connection = True

    def serve(self, key: str, fault: str, asked: JsonObject) -> None:
        # even a failure may come after the work is done
        text, usage = self.teacher.answer(key, asked)
        body = json.dumps(_body(fault, text, usage if self.teacher.usage else None))
        if fault == "broken body":
            body = body[:-9]
        if fault in ("500", "503 page"):
            self.send(int(fault[:3]), "<html>oops</html>" if "page" in fault else "{}")
        elif fault == "cut":
            self.send(200, body, sent=len(body) // 2)
        elif fault == "reset":
            self.close_connection = True
        elif fault == "drip":
            self.drip(body)
        elif fault == "time-out":
            self.teacher.ending.wait()
        else:
            self.send(200, body)
            self.teacher.delivered(key, text, body, fault)

    def drip(self, body: str) -> None:
        self.send(200, body, sent=1)
        for byte in body[1:]:
            if self.teacher.ending.wait(0.1):
                return
            self.wfile.write(byte.encode())

    def send(self, status: int, body: str, headers: dict[str, str] | None = None, sent: int | None = None) -> None:
        raw = body.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw[:sent])
        self.wfile.flush()
        self.close_connection = sent is not None


def _body(fault: str, text: str, usage: JsonObject | None) -> Any:
    message: JsonObject | None = {"role": "assistant", "content": " " if fault == "empty answer" else text}
    choice = {"index": 0, "message": None if fault == "null message" else message, "finish_reason": "stop"}
    choices = [] if fault == "no choices" else [choice]
    return [text] if fault == "not an object" else {"choices": choices, **({"usage": usage} if usage else {})}
