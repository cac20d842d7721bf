"""One question over the wire, once -> the body that came back, or what went wrong and what to do about it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from callwright.synth.journal import Question

_LONGEST_BODY = 16 << 20
_OF_NO_USE = (401, 402, 403, 404)
_BUSY = (429, 503)
_AGAIN = (408, 409, 425, 429)


@dataclass(frozen=True, slots=True)
class Got:
    """What one try gave. Without an `error` the `body` is whole; with one it is what came of it.

    maybe_paid: the server may have worked for this; again: another try may help; wait: seconds that the server asks
    for; busy: so that all questions wait; fatal: no question will fare better.
    """

    body: str = ""
    error: str = ""
    maybe_paid: bool = True
    again: bool = True
    wait: float | None = None
    busy: bool = False
    fatal: bool = False


def fetch(client: Any, question: Question, seconds: float) -> Got:
    """Asks with an `openai.OpenAI` client that does not retry. Never raises; takes little more than `seconds`."""
    import openai

    body = bytearray()
    until = time.monotonic() + seconds
    try:
        # as a stream of bytes: a server that sends one byte at a time must end too, and half a body is kept
        with client.chat.completions.with_streaming_response.create(
            model=question.model,
            messages=[{"role": role, "content": text} for role, text in question.messages],
            temperature=question.temperature,
            max_tokens=question.max_tokens,
        ) as response:
            for piece in response.iter_bytes():
                body += piece
                if time.monotonic() > until:
                    return Got(_text(body), f"the answer took more than {seconds:g} seconds")
                if len(body) > _LONGEST_BODY:
                    return Got(_text(body[:1000]), f"the answer has more than {_LONGEST_BODY:,} bytes")
    except openai.APIStatusError as error:
        return _refused(error, str(client.api_key))
    # anything else happened on the way, under one of the names that the client's transport has for it
    except Exception as error:
        cause = error.__cause__ or error
        reached = type(cause).__name__ not in ("ConnectError", "ConnectTimeout", "UnsupportedProtocol", "InvalidURL")
        return Got(_text(body), f"{type(cause).__name__}: {_line(cause)}", maybe_paid=reached)
    return Got(_text(body))


def _refused(error: Any, key: str) -> Got:
    status = error.status_code
    # some servers repeat the key that they refuse
    said = _line(error).replace(key, "***")
    is_refusal = 400 <= status < 500 and status != 408
    return Got(
        body=error.response.text.replace(key, "***")[:_LONGEST_BODY],
        error=said,
        maybe_paid=not is_refusal,
        again=status >= 500 or status in _AGAIN,
        wait=retry_after(error.response.headers),
        busy=status in _BUSY,
        fatal=status in _OF_NO_USE or getattr(error, "code", None) == "insufficient_quota",
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait: a number, milliseconds in a header of their own, or a date.

    >>> retry_after({"retry-after": "2"}), retry_after({"retry-after-ms": "50"}), retry_after({"retry-after": "soon"})
    (2.0, 0.05, None)
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except ValueError:
        return None


def _text(body: bytes | bytearray) -> str:
    return bytes(body).decode("utf-8", "backslashreplace")


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
