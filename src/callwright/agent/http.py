"""OpenAPI operations and GraphQL fields -> tools that send the request; credentials come from the environment alone."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from callwright.agent.effects import declared_effect, effect_of_method
from callwright.agent.toolbox import Bound, Toolbox
from callwright.errors import ToolError
from callwright.synth.execute import Result
from callwright.tools import load_tools
from callwright.tools.graphql import read_graphql
from callwright.tools.openapi import Operation, is_openapi, read_document, read_openapi
from callwright.types import JsonObject, Tool, ToolCall

SECONDS = 30.0
LONGEST = 1 << 20
"""Bytes of an answer that are read."""

_GRAPHQL = (".graphql", ".graphqls", ".gql")


@dataclass
class Service:
    """Where requests go, and what goes with every one of them. It follows no redirect and keeps to its own host."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    _client: Any = None
    _lock: Any = field(default_factory=threading.Lock)

    def send(self, method: str, path: str, **parts: Any) -> Result:
        """One request -> its answer's body, as JSON where it is JSON. Anything but 2xx is an error."""
        import httpx2 as httpx

        headers = {**self.headers, **parts.pop("headers", {})}
        query = {**parts.pop("params", {}), **self.query}
        try:
            with self._opened().stream(
                method.upper(), self.url.rstrip("/") + path, headers=headers, params=query, **parts
            ) as answer:
                body = b""
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > LONGEST:
                        return Result(error=f"the answer has more than {LONGEST:,} bytes")
                return _read(answer.status_code, body)
        except httpx.HTTPError as error:
            return Result(error=f"{type(error).__name__}: {str(error) or 'no answer'}")

    def close(self) -> None:
        """Ends its connections."""
        if self._client is not None:
            self._client.close()

    def _opened(self) -> Any:
        import httpx2 as httpx

        with self._lock:
            if self._client is None:
                # the environment's proxies and .netrc are not asked: what is sent is what is written here
                self._client = httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False)
        return self._client


def is_service(spec: str) -> bool:
    """Whether a source is an OpenAPI document or a GraphQL schema."""
    path = spec.partition("#")[0]
    if path.lower().endswith(_GRAPHQL):
        return True
    return (
        path.lower().endswith((".json", ".yaml", ".yml"))
        and Path(path).is_file()
        and is_openapi(read_document(Path(path)))
    )


def toolbox(spec: str, url: str | None) -> Toolbox:
    """A service's operations as tools. Raises ToolError, where no address is known too."""
    path = Path(spec.partition("#")[0])
    chosen = {tool.name for tool in load_tools(spec)}
    if path.name.lower().endswith(_GRAPHQL):
        if not url:
            raise ToolError(f"{path}: a GraphQL schema names no address; give the service's with --url")
        service = Service(_address(url), _environment_headers())
        found = [one for one in read_graphql(path) if one.tool.name in chosen]
        return Toolbox([_field(service, one.tool, one.kind, one.document) for one in found], [service.close])
    document = read_document(path)
    service = Service(_address(url or _server(document, path)), *_credentials(document))
    operations = [one for one in read_openapi(path) if one.tool.name in chosen]
    return Toolbox([_operation(service, one) for one in operations], [service.close])


def request_of(operation: Operation, arguments: JsonObject) -> tuple[str, JsonObject]:
    """An operation's path with its values in it, and what else the request has: params, headers, cookies, json, data.

    Raises ToolError for a value of the path that would lead elsewhere.
    """
    path, parts = operation.path, dict[str, Any]()
    for key, value in arguments.items():
        place = operation.places.get(key)
        name = operation.names.get(key, key)
        if place == "path":
            text = _plain(value)
            if text in ("", ".", ".."):
                raise ToolError(f"'{key}' must be a name in a path, not {text!r}")
            path = path.replace("{" + name + "}", quote(text, safe=""))
        elif place == "query":
            parts.setdefault("params", {})[name] = value if isinstance(value, list) else _plain(value)
        elif place in ("header", "cookie"):
            text = _plain(value)
            if re.search(r"[\r\n\0]", text):
                raise ToolError(f"'{key}' may not hold a line break")
            parts.setdefault("headers" if place == "header" else "cookies", {})[name] = text
        elif place == "form":
            parts.setdefault("data", {})[name] = value if isinstance(value, list) else _plain(value)
        elif place == "whole body":
            parts["json"] = value
        elif place == "body":
            parts.setdefault("json", {})[name] = value
        else:
            raise ToolError(f"'{key}' is no parameter of {operation.tool.name}")
    if left := re.search(r"{[^{}]*}", path):
        raise ToolError(f"the path still lacks {left[0]}")
    return path, parts


def _operation(service: Service, operation: Operation) -> Bound:
    effect = effect_of_method(operation.tool, operation.method)

    def run(call: ToolCall, key: str) -> Result:
        path, parts = request_of(operation, call.arguments)
        if effect != "read":
            # what servers that know the key make sure of: the same request twice is done once
            parts.setdefault("headers", {})["Idempotency-Key"] = key
        cookies = parts.pop("cookies", {})
        if cookies:
            parts.setdefault("headers", {})["Cookie"] = "; ".join(f"{n}={quote(v)}" for n, v in cookies.items())
        return service.send(operation.method, path, **parts)

    # PUT and DELETE are idempotent by RFC 9110
    repeats = operation.method.lower() in ("put", "delete")
    return Bound(operation.tool, effect, run, repeats=repeats, together=True)


def _field(service: Service, tool: Tool, kind: str, document: str) -> Bound:
    def run(call: ToolCall, key: str) -> Result:
        headers = {} if kind == "query" else {"Idempotency-Key": key}
        body = {"query": document, "variables": call.arguments}
        result = service.send("post", "", json=body, headers=headers)
        if result.error or not isinstance(result.value, dict):
            return result
        if errors := result.value.get("errors"):
            return Result(
                error="; ".join(str(one.get("message", one)) if isinstance(one, dict) else str(one) for one in errors)
            )
        return Result(result.value.get("data"))

    effect = "read" if kind == "query" else declared_effect(tool)
    return Bound(tool, effect, run, together=True)


def _read(status: int, body: bytes) -> Result:
    text = body.decode("utf-8", errors="replace")
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if 200 <= status < 300:
        return Result(value)
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Result(error=f"HTTP {status}: {said[:500]}" if said else f"HTTP {status}")


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ToolError(f"{url}: is no address; give one as https://HOST/PATH with --url")
    return url


def _server(document: JsonObject, path: Path) -> str:
    """The first of the document's servers, with the defaults of its variables; Swagger 2 has host and basePath."""
    servers = document.get("servers")
    if isinstance(servers, list) and servers and isinstance(servers[0], dict):
        url = str(servers[0].get("url", ""))
        for name, variable in (servers[0].get("variables") or {}).items():
            url = url.replace("{" + name + "}", str((variable or {}).get("default", "")))
        if url.startswith(("http://", "https://")):
            return url
    if document.get("host"):
        scheme = (document.get("schemes") or ["https"])[0]
        return f"{scheme}://{document['host']}{document.get('basePath', '')}"
    raise ToolError(f"{path}: names no address of the service; give it with --url")


def _credentials(document: JsonObject) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and query parameters for every security scheme whose variable is set: CALLWRIGHT_AUTH_<SCHEME>."""
    schemes = (document.get("components") or {}).get("securitySchemes") or document.get("securityDefinitions") or {}
    headers, query = _environment_headers(), dict[str, str]()
    for name, scheme in schemes.items():
        secret = os.environ.get("CALLWRIGHT_AUTH_" + re.sub(r"\W", "_", str(name)).upper())
        if not secret or not isinstance(scheme, dict):
            continue
        kind, how = scheme.get("type"), str(scheme.get("scheme", "")).lower()
        if kind == "apiKey" and scheme.get("in") == "query":
            query[str(scheme.get("name"))] = secret
        elif kind == "apiKey" and scheme.get("in") == "header":
            headers[str(scheme.get("name"))] = secret
        elif kind == "basic" or how == "basic":
            headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
        else:
            headers["Authorization"] = f"Bearer {secret}"
    return headers, query


def _environment_headers() -> dict[str, str]:
    """A bearer token for services that name no scheme: CALLWRIGHT_AUTH."""
    token = os.environ.get("CALLWRIGHT_AUTH")
    return {"Authorization": f"Bearer {token}"} if token else {}
