"""What an engine wrote -> choices, as OpenAI's clients read them; whole, or piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from callwright.dialects.syntax.jsoncalls import dump
from callwright.dialects.told import ToldDeltas, call_id
from callwright.generate.batcher import News
from callwright.generate.confidence import sureness
from callwright.generate.reply import Completion
from callwright.generate.written import Written
from callwright.serve.prepare import Job, Served
from callwright.serve.wire import finite
from callwright.types import Ending, JsonObject, Reply


def finish_reason(ending: Ending, calls: int) -> str:
    """A reply that was cut is 'length', whatever it holds."""
    if ending is Ending.LENGTH:
        return "length"
    return "tool_calls" if calls else "stop"


def message_of(reply: Reply) -> JsonObject:
    """A whole reply as a message. What is broken of it stays as text: nothing that was written is lost."""
    content = "".join([reply.text, *(bad.text for bad in reply.broken)])
    message: JsonObject = {"role": "assistant", "content": content or (None if reply.calls else ""), "refusal": None}
    if reply.thinking:
        message["reasoning_content"] = reply.thinking
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": call.id or call_id(),
                "type": "function",
                "function": {"name": call.name, "arguments": dump(call.arguments)},
            }
            for call in reply.calls
        ]
    return message


def usage(jobs: Sequence[Job], completions: Sequence[Completion]) -> JsonObject:
    """Tokens of prompts, counted once for all their replies, and of replies."""
    asked = sum(len(job.prompt.token_ids) for job in jobs)
    written = sum(completion.tokens for completion in completions)
    cached = max((completion.cached for completion in completions), default=0)
    return {
        "prompt_tokens": asked,
        "completion_tokens": written,
        "total_tokens": asked + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def confidences(served: Served, job: Job, written: Sequence[Written]) -> list[JsonObject | None]:
    """How likely each call of a reply is right, and what to do with it; null where that was not calibrated."""
    tokens = [one for one in written if one.token not in served.engine.stop_ids]
    text, parser = served.engine.text_stream(job.options), served.dialect.stream(job.tools)
    found: list[JsonObject | None] = []
    for sure in sureness(tokens, text, parser, job.carry):
        if served.calibration is None:
            found.append(None)
            continue
        chance = served.calibration.probability(sure)
        found.append({"confidence": round(chance, 4), "decision": served.calibration.decide(chance)})
    return found


def extras(served: Served, job: Job, completion: Completion) -> JsonObject:
    """What a choice holds beside what OpenAI's has, as it was asked for."""
    found: JsonObject = {}
    if job.tokens:
        found["passes"] = completion.passes
    if job.confidence:
        found["calls"] = confidences(served, job, completion.written)
    return {"callwright": found} if found else {}


class TokenTexts:
    """Tokens -> what is told of them."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def entries(self, tokens: Sequence[Written]) -> list[JsonObject]:
        """A chat's `logprobs`, one entry a token. A token that the grammar forced has the log-probability 0."""
        return [
            {
                **self._entry(one.token, one.logprob),
                "top_logprobs": [self._entry(token, logprob) for token, logprob in one.others],
            }
            for one in tokens
        ]

    def origins(self, tokens: Sequence[Written]) -> list[JsonObject]:
        """Where each token came from, and what the grammar kept out in its place."""
        return [
            {
                "text": self.text(one.token),
                "origin": one.origin.value,
                "logprob": finite(one.logprob),
                **({"masked": self.text(one.masked)} if one.masked >= 0 else {}),
            }
            for one in tokens
        ]

    def text(self, token: int) -> str:
        """What a token is by itself."""
        return str(self._tokenizer.decode([token], skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _entry(self, token: int, logprob: float) -> JsonObject:
        text = self.text(token)
        return {"token": text, "logprob": finite(logprob), "bytes": list(text.encode("utf-8", "replace"))}


def old_logprobs(served: Served, job: Job, tokens: Sequence[Written]) -> JsonObject:
    """As `/v1/completions` has them."""
    kit = TokenTexts(served.tokenizer)
    texts = [kit.text(one.token) for one in tokens]
    return {
        "tokens": texts,
        "token_logprobs": [one.logprob for one in tokens],
        "top_logprobs": [{kit.text(token): logprob for token, logprob in one.others} for one in tokens],
        "text_offset": list(accumulate((len(text) for text in texts[:-1]), initial=len(job.prompt.text))),
    }


class ChatStream:
    """One choice of a streamed chat: news -> deltas and a finish reason."""

    def __init__(self, served: Served, job: Job) -> None:
        self._text = served.engine.text_stream(job.options)
        self._parser = served.dialect.stream(job.tools)
        self._tokens, self._job, self._served = TokenTexts(served.tokenizer), job, served
        self._stops = served.engine.stop_ids
        self._told = ToldDeltas()
        if job.carry:
            self._parser.feed(job.carry)

    def open(self) -> Sequence[JsonObject]:
        """What comes before the first token."""
        return [{"delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}]

    def feed(self, news: News) -> Iterator[JsonObject]:
        """The chunks' choices, without their index."""
        tokens = [one.token for one in news.tokens if one.token not in self._stops]
        delta = self._told.tell(self._parser.feed(self._text.feed(tokens)))
        if news.completion is not None:
            delta = _joined(delta, self._told.tell(self._parser.feed(self._text.finish())))
            delta = _joined(delta, self._told.tell(self._parser.finish()))
        told: JsonObject = {}
        if self._job.tokens:
            told["callwright"] = {"tokens": self._tokens.origins(news.tokens)}
        logprobs = {"content": self._tokens.entries(news.tokens), "refusal": None} if self._job.logprobs else None
        if delta or (news.tokens and (logprobs or told)):
            yield {"delta": delta, "logprobs": logprobs, "finish_reason": None, **told}
        if news.completion is not None:
            reason = finish_reason(news.completion.ending, self._told.calls)
            told = extras(self._served, self._job, news.completion)
            yield {"delta": {}, "logprobs": None, "finish_reason": reason, **told}


def _joined(first: JsonObject, second: JsonObject) -> JsonObject:
    """Two deltas as one: texts and lists one behind the other."""
    both = first | second
    return {key: first[key] + second[key] if key in first and key in second else both[key] for key in both}
