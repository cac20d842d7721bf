"""What a dialect's stream found -> a delta of OpenAI's chat: for this server, and for parsers inside others."""

from __future__ import annotations

import secrets

from callwright.dialects.base import Delta
from callwright.types import JsonObject


def call_id() -> str:
    """An id for a call whose model writes none."""
    return f"call_{secrets.token_hex(12)}"


class ToldDeltas:
    """One reply's deltas, in order. Nothing that was written is lost: a call that breaks before any of it was told is
    told as text."""

    def __init__(self) -> None:
        self.calls = 0
        self._broken = 0
        self._begun: set[int] = set()

    def tell(self, found: Delta) -> JsonObject:
        """`content`, `reasoning_content` and `tool_calls` as far as there are any."""
        self.calls += len(found.calls)
        out: JsonObject = {}
        pieces = []
        for piece in found.pieces:
            entry: JsonObject = {"index": piece.index}
            function: JsonObject = {"arguments": piece.arguments}
            if piece.index not in self._begun:
                self._begun.add(piece.index)
                entry |= {"id": piece.id or call_id(), "type": "function"}
                function = {"name": piece.name, "arguments": piece.arguments}
            pieces.append(entry | {"function": function})
        if pieces:
            out["tool_calls"] = pieces
        text = found.text
        for bad in found.broken:
            self._broken += 1
            # what was streamed of it is not sent again
            if len(self._begun) < self.calls + self._broken:
                text += bad.text
        if text:
            out["content"] = text
        if found.thinking:
            out["reasoning_content"] = found.thinking
        return out
