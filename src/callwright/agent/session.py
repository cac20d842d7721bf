"""A folder that an agent's conversation lives in: what was said, what was done, and nothing lost when it is killed."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from callwright.agent.audit import AuditLog
from callwright.data.canonical import to_row
from callwright.data.chat import read_messages
from callwright.data.fields import Fields
from callwright.errors import DataError
from callwright.types import Conversation, Message

if TYPE_CHECKING:
    from callwright.agent.loop import Agent

_NAME, _MESSAGES, _LOG, _TRACE = "name", "messages.jsonl", "audit.jsonl", "trace.jsonl"


@dataclass
class Session:
    """messages.jsonl has a line for each message, audit.jsonl what happened to calls, and trace.jsonl, once the session
    is closed, the conversation as a row of data.

    Raises DataError where a line, other than a last one that is half written, cannot be read.
    """

    folder: Path

    def open(self, agent: Agent) -> None:
        """Lets an agent go on where the session stopped, and writes down what follows. Its own beginning, a system
        message say, opens a session that is new."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = self.folder / _NAME
        if not name.is_file():
            name.write_text(secrets.token_hex(8) + "\n", encoding="utf-8")
        agent.session = name.read_text(encoding="utf-8").strip()
        agent.log = AuditLog(self.folder / _LOG)
        agent.keep = self.add
        said = self.messages()
        if said:
            agent.said = said
            return
        for message in agent.said:
            self.add(message)

    def messages(self) -> tuple[Message, ...]:
        """What was said. A last line that was cut is left out."""
        path = self.folder / _MESSAGES
        if not path.is_file():
            return ()
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = []
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except ValueError:
                if number < len(lines):
                    raise DataError(f"{path}:{number}", "is not JSON") from None
        if len(rows) < len(lines):
            # what was half written must not stand before what follows
            path.write_text("".join(f"{line}\n" for line in lines[:-1]), encoding="utf-8")
        return tuple(read_messages(rows, str(path), Fields())) if rows else ()

    def add(self, message: Message) -> None:
        """Writes down one message."""
        (row,) = to_row(Conversation("", (), (message,)))["messages"]
        with (self.folder / _MESSAGES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self, agent: Agent) -> Path:
        """Writes the trace, a row that `callwright data review` opens and training reads, and gives its path."""
        path = self.folder / _TRACE
        path.write_text(json.dumps(to_row(agent.trace), ensure_ascii=False) + "\n", encoding="utf-8")
        return path
