"""Questions -> answers of any OpenAI-compatible endpoint: several at once, with retries, never past a cap of tokens."""

from __future__ import annotations

import heapq
import json
import os
import random
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from callwright.errors import MissingExtra, ModelError
from callwright.synth.fetch import Got, fetch
from callwright.synth.journal import Journal, Outcome, Question

_MESSAGE_TOKENS, _TEMPLATE_TOKENS = 16, 256
"""More than a chat template adds: a message's marks, and a preamble of the model's own."""


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask. `key_variable` names the environment variable that holds the key; without it none is sent.

    cap: tokens, prompts and answers together, that may ever be spent with one journal.
    tries: of one question; timeout: seconds of one try; backoff: seconds before the second try, then doubled;
    longest_wait: seconds that a server may ask to wait before the run is ended instead.
    """

    base_url: str
    model: str
    cap: int
    max_tokens: int = 1536
    concurrency: int = 4
    tries: int = 8
    timeout: float = 120.0
    backoff: float = 1.0
    longest_wait: float = 120.0
    key_variable: str = "OPENAI_API_KEY"

    @property
    def host(self) -> str:
        """The address without a path, a user or a password."""
        parts = urlsplit(self.base_url)
        return parts.netloc.rpartition("@")[2] or self.base_url


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of questions: answers and failures by the question's key, and how many the cap left unasked."""

    answers: dict[str, Outcome]
    failed: dict[str, str]
    unasked: int = 0


def ask_all(endpoint: Endpoint, questions: Iterable[Question], journal: Journal) -> Asked:
    """Asks all questions that the journal does not settle; an answer is in the journal before it is returned.

    Busy servers (429), their failures (5xx), time-outs, broken connections and answers without text are tried again,
    with growing pauses or the one that the server names. What a try may cost is reserved from the cap before; where
    the next does not fit, no more are asked. A try that was refused (4xx) costs nothing, one that ended otherwise
    without naming its tokens costs all that it may have cost.

    Raises MissingExtra without the openai package, ModelError where asking on is of no use: a key or model that is
    refused, a server that gives no answers or asks for a long pause, and DataError where the journal cannot be written.
    What was answered until then stays in the journal.
    """
    wanted = {question.key: question for question in questions}
    settled = journal.answers.keys() | journal.given_up.keys()
    todo = [question for key, question in wanted.items() if key not in settled]
    unasked = _Asking(endpoint, journal, _client(endpoint)).run(todo) if todo else 0
    answers = {key: journal.answers[key] for key in wanted if key in journal.answers}
    failed = {key: journal.given_up[key] for key in wanted if key in journal.given_up}
    return Asked(answers, failed, unasked)


def most_tokens(question: Question) -> int:
    """What a question may cost: no token is shorter than a byte, so bytes bound the prompt's tokens from above."""
    prompt = sum(len(text.encode("utf-8", "surrogatepass")) + _MESSAGE_TOKENS for _, text in question.messages)
    return prompt + _TEMPLATE_TOKENS + question.max_tokens


def _client(endpoint: Endpoint) -> Any:
    try:
        import openai
    except ImportError:
        raise MissingExtra("teacher", "openai") from None
    # a local server asks for no key, but the client refuses to start without one
    key = os.environ.get(endpoint.key_variable) or "none"
    return openai.OpenAI(base_url=endpoint.base_url, api_key=key, max_retries=0, timeout=endpoint.timeout)


@dataclass
class _Asking:
    """One run over questions: this thread decides and counts, the pool's threads each make one try at a time."""

    endpoint: Endpoint
    journal: Journal
    client: Any
    _tried: dict[str, int] = field(default_factory=dict)
    _paused_until: float = 0.0
    _waves: int = 0
    _in_a_row: int = 0

    def run(self, questions: list[Question]) -> int:
        """Asks; gives the number of questions that the cap left unasked."""
        # (when it may be asked, its place, itself): a retry waits here, and holds up nobody
        due = [(0.0, place, question) for place, question in enumerate(questions)]
        running: dict[Future[Got], tuple[int, Question]] = {}
        capped = False
        with ThreadPoolExecutor(self.endpoint.concurrency) as pool:
            while (due and not capped) or running:
                while due and not capped and len(running) < self.endpoint.concurrency and self._is_due(due[0][0]):
                    if self.journal.spent + most_tokens(due[0][2]) > self.endpoint.cap:
                        # what is under way may turn out cheaper than it was reserved for
                        capped = not running
                        break
                    _, place, question = heapq.heappop(due)
                    self.journal.intend(question, most_tokens(question))
                    running[pool.submit(self._try, question)] = (place, question)
                for future in self._done(running, due):
                    place, question = running.pop(future)
                    again = self._after(question, future.result())
                    if again is not None:
                        heapq.heappush(due, (time.monotonic() + again, place, question))
        return len(due)

    def _is_due(self, at: float) -> bool:
        return time.monotonic() >= max(at, self._paused_until)

    def _done(self, running: dict[Future[Got], Any], due: list[tuple[float, int, Question]]) -> set[Future[Got]]:
        """Tries that are over; waits for one, or until the next question may be asked."""
        pause = None
        if due and len(running) < self.endpoint.concurrency:
            pause = max(due[0][0], self._paused_until) - time.monotonic()
            if pause <= 0:
                pause = None  # it waits for room under the cap
        if not running:
            time.sleep(pause or 0.0)
            return set()
        return wait(running, timeout=pause, return_when=FIRST_COMPLETED).done

    def _try(self, question: Question) -> Got:
        """In a thread of the pool: asks once, and writes down what came of it."""
        got = fetch(self.client, question, self.endpoint.timeout)
        self.journal.settle(outcome(got, question, self.endpoint.host))
        return got

    def _after(self, question: Question, got: Got) -> float | None:
        """Seconds until the question is asked again; None where it is answered, or given up."""
        key = question.key
        if key in self.journal.answers:
            self._in_a_row = self._waves = 0
            return None
        why = outcome(got, question, "").error
        self._in_a_row += 1
        self._end_if_useless(got, why)
        self._tried[key] = self._tried.get(key, 0) + 1
        if not got.again or self._tried[key] >= self.endpoint.tries:
            self.journal.give_up(key, f"{why} ({self._tried[key]} tries)")
            return None
        times = self._tried[key]
        if got.busy:
            # the server's limit is on all questions, not on this one; those that were under way are one wave
            self._waves += time.monotonic() >= self._paused_until
            times = max(times, self._waves)
        growing = self.endpoint.backoff * 2.0 ** (times - 1) * random.uniform(0.5, 1.0)
        pause = min(growing, self.endpoint.longest_wait) if got.wait is None else got.wait
        if got.busy:
            self._paused_until = max(self._paused_until, time.monotonic() + pause)
        return pause

    def _end_if_useless(self, got: Got, why: str) -> None:
        url, kept = self.endpoint.base_url, "what was answered is kept"
        if got.fatal:
            raise ModelError(f"{url}: {why}; {kept}: mend it and run again")
        if got.wait is not None and got.wait > self.endpoint.longest_wait:
            raise ModelError(f"{url}: asks to wait {got.wait:,.0f} seconds ({why}); {kept}: run it again then")
        if self._in_a_row > self.endpoint.tries * (self.endpoint.concurrency + 1):
            raise ModelError(
                f"{url}: {self._in_a_row} tries in a row gave no answer, the last: {why}; {kept}: run it again later"
            )


def outcome(got: Got, question: Question, host: str) -> Outcome:
    """What a try gave, read from the body of the server's answer; never raises."""
    key, most = question.key, most_tokens(question)
    if got.error:
        cost = most if got.maybe_paid else 0
        return Outcome(key, error=got.error, tokens=cost, bound=got.maybe_paid, host=host, body=got.body)
    try:
        made = json.loads(got.body)
    except (ValueError, RecursionError) as error:
        made, why = None, f"the body is not JSON: {error}"
    else:
        why = "" if isinstance(made, dict) else "the body is no JSON object"
    made = made if isinstance(made, dict) else {}
    used = _used(made.get("usage"))
    choice = _first(made.get("choices"))
    said = choice.get("message")
    text = said.get("content") if isinstance(said, dict) else None
    finish = choice.get("finish_reason")
    if not why and not (isinstance(text, str) and text.strip()):
        why = "the answer holds no text"
    return Outcome(
        key=key,
        text="" if why else str(text),
        error=why,
        tokens=most if used is None else used,
        bound=used is None,
        host=host,
        finish=finish if isinstance(finish, str) else "",
        body=got.body if why else "",
    )


def _first(choices: Any) -> dict[str, Any]:
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _used(usage: Any) -> int | None:
    """The tokens that a server names; None where it names none, or none that can be."""
    if not isinstance(usage, dict):
        return None
    named = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    counts = [count for count in named if type(count) is int and count > 0]
    if len(counts) < len(named):
        return None
    total = usage.get("total_tokens")
    return max(sum(counts), total if type(total) is int else 0)
