"""As much of the hub's interface as its client needs to make a repository, send files and commit them.

It keeps what it was sent: `blobs` by their SHA-256, `tree` by place, `commits`; and `log` says which requests came.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

TOKEN = "hf_right"


class Hub:
    """large: from how many bytes files are large ones. part: bytes of a part of those, 0 for whole ones. holds: what
    uploads after the first wait for, where it is set; reached: that one waits."""

    def __init__(self, large: int = 10_000, part: int = 0) -> None:
        self.large, self.part, self.sent = large, part, 0
        self.holds: threading.Event | None = None
        self.reached = threading.Event()
        self.repos: dict[str, dict[str, Any]] = {}
        self.blobs: dict[str, bytes] = {}
        self.parts: dict[tuple[str, int], bytes] = {}
        self.tree: dict[str, dict[str, str]] = {}
        self.commits: list[dict[str, Any]] = []
        self.log: list[str] = []
        self.token = TOKEN
        self.address = ""

    def oid(self, repo: str, place: str) -> str | None:
        return self.tree.get(repo, {}).get(place)

    def text(self, repo: str, place: str) -> str:
        return self.blobs[self.tree[repo][place]].decode()


def git_oid(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def log_message(self, *given: Any) -> None:
        pass

    def say(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def refused(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {self.hub.token}":
            return False
        self.read()
        self.say({"error": "Invalid credentials in Authorization header"}, 401)
        return True

    def do_PUT(self) -> None:
        path = urlparse(self.path).path
        self.hub.log.append(f"PUT {path.split('/')[1]}")
        content = self.read()
        self.hub.sent += 1
        if self.hub.holds is not None and self.hub.sent > 1:
            self.hub.reached.set()
            self.hub.holds.wait(60)
            return
        _, kind, oid, number = path.split("/")
        if kind == "part":
            self.hub.parts[oid, int(number)] = content
        else:
            self.hub.blobs[oid] = content
        self.say({}, headers={"ETag": f'"{hashlib.md5(content).hexdigest()}"'})

    def do_GET(self) -> None:
        path = unquote(urlparse(self.path).path)
        self.hub.log.append(f"GET {path}")
        if self.refused():
            return
        repo = "/".join(path.split("/")[3:5])
        if repo not in self.hub.repos:
            self.say({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        elif "/tree/" in path:
            found = [
                {"type": "file", "path": place, "size": len(self.hub.blobs[oid]), "oid": oid}
                | (
                    {"lfs": {"oid": oid, "size": len(self.hub.blobs[oid]), "pointerSize": 130}}
                    if len(oid) == 64
                    else {}
                )
                for place, oid in self.hub.tree[repo].items()
            ]
            self.say(found)
        else:
            self.say({"id": repo, "sha": "0" * 40, "siblings": []})

    def do_POST(self) -> None:
        path = unquote(urlparse(self.path).path)
        self.hub.log.append(f"POST {path.rsplit('/', 1)[-1] if 'repos' not in path else 'create'}")
        if path.startswith("/done/"):
            self.finished(path)
            return
        if self.refused():
            return
        content = self.read()
        if path == "/api/repos/create":
            body = json.loads(content)
            name = f"{body['organization']}/{body['name']}" if body.get("organization") else f"me/{body['name']}"
            if name in self.hub.repos:
                self.say({"error": "You already created this repo", "url": f"{self.hub.address}/{name}"}, 409)
                return
            self.hub.repos[name], self.hub.tree[name] = body, {}
            self.say({"url": f"{self.hub.address}/{name}"})
        elif path == "/api/validate-yaml":
            self.say({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            repo = "/".join(path.split("/")[3:5])
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["size"] >= self.hub.large else "regular",
                    "shouldIgnore": False,
                    "oid": self.hub.oid(repo, file["path"]),
                }
                for file in json.loads(content)["files"]
            ]
            self.say({"files": files})
        elif path.endswith("/info/lfs/objects/batch"):
            self.say(self.batch(json.loads(content)))
        elif "/commit/" in path:
            self.commit("/".join(path.split("/")[3:5]), content)
        else:
            self.say({"error": f"no {path}"}, 404)

    def batch(self, body: Any) -> Any:
        found = []
        for each in body["objects"]:
            one = {"oid": each["oid"], "size": each["size"], "authenticated": True}
            if each["oid"] not in self.hub.blobs:
                address = f"{self.hub.address}/whole/{each['oid']}/0"
                if self.hub.part:
                    count = -(-each["size"] // self.hub.part)
                    pieces = {str(n): f"{self.hub.address}/part/{each['oid']}/{n}" for n in range(1, count + 1)}
                    header = {"chunk_size": str(self.hub.part), **pieces}
                    one["actions"] = {"upload": {"href": f"{self.hub.address}/done/{each['oid']}", "header": header}}
                else:
                    one["actions"] = {"upload": {"href": address}}
            found.append(one)
        return {"transfer": "multipart" if self.hub.part else "basic", "objects": found}

    def finished(self, path: str) -> None:
        self.read()
        oid = path.rsplit("/", 1)[-1]
        pieces = sorted(number for known, number in self.hub.parts if known == oid)
        self.hub.blobs[oid] = b"".join(self.hub.parts[oid, number] for number in pieces)
        self.say({})

    def commit(self, repo: str, content: bytes) -> None:
        lines = [json.loads(line) for line in content.splitlines()]
        for line in lines:
            if line["key"] == "file":
                data = base64.b64decode(line["value"]["content"])
                self.hub.blobs[git_oid(data)] = data
                self.hub.tree[repo][line["value"]["path"]] = git_oid(data)
            elif line["key"] == "lfsFile":
                assert hashlib.sha256(self.hub.blobs[line["value"]["oid"]]).hexdigest() == line["value"]["oid"]
                self.hub.tree[repo][line["value"]["path"]] = line["value"]["oid"]
        self.hub.commits.append({"repo": repo, "files": lines[1:], "message": lines[0]["value"]["summary"]})
        number = len(self.hub.commits)
        address = f"{self.hub.address}/{repo}/commit/{number:040d}"
        self.say({"success": True, "commitUrl": address, "commitOid": f"{number:040d}", "hookOutput": ""})


@contextmanager
def running(hub: Hub) -> Iterator[str]:
    """The hub's address, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    server.hub = hub  # type: ignore[attr-defined]
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub.address
    finally:
        server.shutdown()
