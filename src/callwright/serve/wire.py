"""The bodies of requests, as OpenAI's clients send them: what is not listed is ignored, what cannot be done refused."""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from callwright.serve.refusal import RefusalError

Short = Annotated[str, Field(max_length=256)]
Stops = Annotated[str, Field(min_length=1, max_length=256)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class FunctionBody(_Body):
    """A function as it is declared."""

    model_config = ConfigDict(extra="allow", strict=True)
    name: Annotated[str, Field(min_length=1, max_length=256)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolBody(_Body):
    """A tool; functions are the only kind."""

    type: Literal["function"] = "function"
    function: FunctionBody


class NamedFunction(_Body):
    """A function by its name."""

    name: Short


class NamedTool(_Body):
    """A tool by its function's name."""

    type: Literal["function"]
    function: NamedFunction


class Allowed(_Body):
    """Some of the tools, and whether one must be called."""

    mode: Literal["auto", "required"] = "auto"
    tools: Annotated[list[NamedTool], Field(min_length=1, max_length=1024)]


class AllowedTools(_Body):
    """A choice among some of the tools: the others stay in the prompt, and in the cache."""

    type: Literal["allowed_tools"]
    allowed_tools: Allowed


class JsonSchema(_Body):
    """The schema that a text reply must fit."""

    name: Short = "reply"
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None


class ResponseFormat(_Body):
    """What a text reply must be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(_Body):
    """What a stream holds beside the reply."""

    include_usage: bool = False


class Extras(_Body):
    """What this server gives beside what OpenAI's has. tokens: every token, where it came from, and its probability.
    confidence: how likely each call is right, and what to do with it; null where the model was not calibrated."""

    tokens: bool = False
    confidence: bool = False


class Sampling(_Body):
    """What both kinds of completion have in common. temperature 0, the default here, takes the likeliest token."""

    model: Short
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, strict=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, strict=False)] | None = None
    n: Annotated[int, Field(ge=1, le=16)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Stops | Annotated[list[Stops], Field(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    presence_penalty: Annotated[float, Field(strict=False)] | None = None
    frequency_penalty: Annotated[float, Field(strict=False)] | None = None
    logit_bias: dict[str, float] | None = None

    @field_validator("presence_penalty", "frequency_penalty")
    @classmethod
    def _no_penalty(cls, value: float | None) -> float | None:
        if value:
            raise ValueError("penalties are not supported; leave it out or send 0")
        return value

    @field_validator("logit_bias")
    @classmethod
    def _no_bias(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        if value:
            raise ValueError("logit_bias is not supported; leave it out")
        return value

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end a reply."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class ChatRequest(Sampling):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000)]
    tools: Annotated[list[ToolBody], Field(max_length=1024)] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedTool | AllowedTools | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    callwright: Extras | None = None


class CompletionRequest(Sampling):
    """`POST /v1/completions`: a prompt that is already text or tokens."""

    prompt: str | Annotated[list[str], Field(min_length=1, max_length=64)] | Annotated[list[int], Field(min_length=1)]
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


Body = TypeVar("Body", bound=BaseModel)


def read_body(raw: bytes, kind: type[Body]) -> Body:
    """Bytes of a body -> the request. Raises RefusalError (400) that names the field."""
    try:
        body = json.loads(raw, parse_constant=_no_constant)
        raw.decode("utf-8")
        json.dumps(body, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise RefusalError(400, f"the body is not Unicode text: {error}") from None
    except RecursionError:
        raise RefusalError(400, "the body is nested too deep to be read") from None
    except ValueError as error:
        raise RefusalError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise RefusalError(400, f"the body is a JSON {type(body).__name__}; it must be an object")
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RefusalError(400, f"'{where}': {first['msg']}", where) from None
    except RecursionError:
        raise RefusalError(400, "the body is nested too deep to be read") from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def finite(value: float) -> float | None:
    """A number that JSON can hold."""
    return value if math.isfinite(value) else None
