"""The requests of the page, and who may make them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callwright.data import conversations
from callwright.review.app import make_app, refusal
from callwright.review.store import open_review
from callwright.types import Conversation, Message, Tool, ToolCall

TOOL = Tool("wait", "Wait.", {"type": "object", "properties": {"s": {"type": "number"}}, "required": ["s"]})
OWN = {"origin": "http://127.0.0.1:8000"}


@contextmanager
def serving(folder: Path) -> Iterator[Any]:
    pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
    testclient = pytest.importorskip("starlette.testclient", reason="httpx2 is not installed")
    call = Message("assistant", "", (ToolCall("wait", {"s": 1.0}),))
    rows = [Conversation(f"id{n}", (), (Message("user", f"wait {n}"), call)) for n in range(3)]
    review = open_review(rows, (TOOL,), folder / "out.jsonl")
    app = make_app(review, "rows.jsonl")
    with testclient.TestClient(app, base_url="http://127.0.0.1:8000", headers=OWN) as made:
        yield made
    review.journal.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    with serving(tmp_path) as made:
        yield made


def test_a_row_is_shown_with_its_numbers_as_they_are(client: Any) -> None:
    state = client.get("/api/state").json()
    assert state["rows"][1] == ["r1", "open", "wait 1"]
    assert [tool["name"] for tool in state["tools"]] == ["wait"]
    shown = client.get("/api/rows/r1").json()
    assert '"s": 1.0' in shown["row"], "as text, for a page whose numbers are all floating"
    assert (shown["findings"], shown["tools"]) == ([], None)
    assert client.get("/api/rows/r9").status_code == 422


def test_decisions_reach_the_file(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        answer = client.post("/api/rows/r0", json={"version": 0, "keep": True}).json()
        assert (answer["row"], answer["version"]) == (["r0", "accepted", "wait 0"], 1)
        row = json.loads(client.get("/api/rows/r1").json()["row"])
        arguments = row["messages"][1]["tool_calls"][0]["arguments"]
        arguments["s"] = "long"
        refused = client.post("/api/rows/r1", json={"version": 0, "keep": True, "row": row})
        assert refused.status_code == 422
        path = ["messages", 1, "tool_calls", 0, "arguments", "s"]
        wrong = [{"path": path, "why": "'long' is not of type 'number'", "severity": "error"}]
        assert refused.json()["findings"] == wrong
        assert client.post("/api/check/r1", json={"row": row}).json()["findings"] == wrong
        arguments["s"] = 2.5
        done = client.post("/api/rows/r1", json={"version": 0, "keep": True, "row": row}).json()
        assert done["row"][1] == "corrected"
        assert client.post("/api/rows/r1", json={"version": 0, "keep": False}).status_code == 409
    found = [(each.messages[1].calls[0].arguments, each.provenance) for each in conversations(tmp_path / "out.jsonl")]
    assert found == [({"s": 1.0}, {"review": "accepted"}), ({"s": 2.5}, {"review": "corrected"}), ({"s": 1.0}, {})]


def test_a_new_row_and_its_undoing(client: Any) -> None:
    row = json.loads(client.get("/api/rows/r1").json()["row"])
    body = {"version": 0, "keep": True, "row": row, "like": "r0"}
    assert client.post("/api/rows/w12345678", json=body).json()["progress"]["written"] == 1
    changes = client.get("/api/changes?since=0").json()
    assert [each[0] for each in changes["rows"]] == ["w12345678"]
    undone = client.post("/api/undo", json={"version": changes["undo"]["version"]}).json()
    assert (undone["key"], json.loads(undone["row"])["messages"]) == ("w12345678", row["messages"])
    assert client.get("/api/changes?since=1").json()["gone"] == ["w12345678"]
    assert client.post("/api/undo", json={"version": 1}).status_code == 409


def test_a_lone_surrogate_is_no_failure(client: Any) -> None:
    row = json.loads(client.get("/api/rows/r2").json()["row"])
    row["messages"][0]["content"] = "wait \ud800"
    body = json.dumps({"version": 0, "keep": True, "row": row})
    headers = {"content-type": "application/json"}
    assert client.post("/api/rows/r2", content=body, headers=headers).status_code == 200
    assert client.get("/api/state").json()["rows"][2][2] == "wait \ud800"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"keep": true}',
        '{"version": "x", "keep": true}',
        '{"version": 0, "keep": true, "row": {"messages": 3}}',
    ],
)
def test_a_broken_request_is_refused_and_decides_nothing(client: Any, body: str) -> None:
    answer = client.post("/api/rows/r0", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert client.get("/api/state").json()["version"] == 0


def test_only_its_own_page_may_ask(client: Any) -> None:
    good = {"version": 0, "keep": False}
    for headers in (
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:8000"},
        {"host": "[::1"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"content-type": "text/plain"},
    ):
        answer = client.post(
            "/api/rows/r0", content=json.dumps(good), headers={"content-type": "application/json", **headers}
        )
        assert answer.status_code == 403, headers
    assert client.get("/api/state", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/api/state").json()["version"] == 0
    assert refusal("POST", {"host": "localhost:1", "content-type": "application/json"}), "no origin"
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_the_page_needs_nothing_from_elsewhere(client: Any) -> None:
    folder = Path(__file__).parents[2] / "src" / "callwright" / "review" / "page"
    for path in folder.iterdir():
        assert "://" not in path.read_text(encoding="utf-8"), path.name
        assert client.get(f"/page/{path.name}").status_code == 200
