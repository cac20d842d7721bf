"""This process and scored rows -> how a report was made: command, versions, machine, commit, and which rows."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from callwright import __version__
from callwright.data import canonical
from callwright.models.hardware import detect
from callwright.types import Conversation, JsonObject

PACKAGES = ("torch", "transformers", "tokenizers", "peft", "llguidance", "openvino", "llama-cpp-python")
"""What replies depend on beside Callwright itself; those that are installed are told."""

_GIT_SECONDS = 10


def made_by(command: str, file: str, rows: Sequence[Conversation], seconds: float) -> JsonObject:
    """How a report came about. file: where the rows were read; seconds: what asking and scoring them took."""
    return {
        "command": command,
        "environment": environment(),
        "data": {"file": file, "rows": len(rows), "sha256": digest(rows)},
        "seconds": round(seconds, 3),
    }


def environment() -> JsonObject:
    """Versions, the machine, and the commit of the folder that the command runs in, where git knows one."""
    machine = detect()
    found: JsonObject = {
        "callwright": __version__,
        "python": platform.python_version(),
        **{name: installed for name in PACKAGES if (installed := _installed(name))},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": machine.why["device"] if machine.device == "cuda" else _processor(),
        "threads": machine.threads,
        "precision": machine.precision,
    }
    commit = _commit()
    return found | ({"commit": commit} if commit else {})


def digest(rows: Sequence[Conversation]) -> str:
    """Of the rows' content, so that an edited file of rows is known as another."""
    text = "\n".join(json.dumps(canonical.to_row(row), sort_keys=True) for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit, and whether tracked files differ from it."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return None
    return commit + (" with changes" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, timeout=_GIT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
