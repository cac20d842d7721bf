"""Servers that a document starts: each in a thread, at a free port, until the document ends."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest


class Servers:
    """ports: what the document says -> what it is here. last: addresses that nobody has asked yet."""

    def __init__(self) -> None:
        self.ports: dict[int, int] = {}
        self.last: list[str] = []
        self._running: list[tuple[Any, threading.Thread]] = []

    @contextlib.contextmanager
    def instead(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """uvicorn's servers return once they answer."""
        uvicorn = pytest.importorskip("uvicorn")
        run = uvicorn.Server.run

        def start(server: Any, sockets: list[socket.socket] | None = None) -> None:
            if not sockets:
                free = socket.create_server(("127.0.0.1", 0))
                sockets = [free]
                self.ports[server.config.port] = free.getsockname()[1]
            else:
                self.ports[8765] = sockets[0].getsockname()[1]
            thread = threading.Thread(target=run, args=(server, sockets), daemon=True)
            thread.start()
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            self._running.append((server, thread))
            self.last.append(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/")

        patch.setattr(uvicorn.Server, "run", start)
        try:
            yield
        finally:
            for server, thread in self._running:
                server.should_exit = True
                thread.join(30)
                assert not thread.is_alive()
