"""Computed prefixes on disk: tool blocks need no computing after a restart.

A file is safetensors, named by what its numbers depend on: the model with its adapter, the kind of engine, and the
tokens. A file that cannot be read, or whose checksum is another, is taken away and computed again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_SUM = "crc32"


@dataclass(frozen=True)
class PrefixFiles:
    """The files of one model in one engine. `model` says all that the numbers depend on beside the tokens.

    Beyond `max_bytes` in the folder, files that were not used for longest go.
    """

    folder: Path
    model: str
    max_bytes: int = 4 << 30

    def load(self, tokens: Sequence[int]) -> dict[str, NDArray[np.uint8]] | None:
        """What was saved for these tokens, or None."""
        from safetensors import SafetensorError, safe_open

        path = self._path(tokens)
        try:
            # as torch's tensors they are the file's pages, which are copied once, to where they are used
            with safe_open(str(path), "pt") as file:
                said = (file.metadata() or {}).get(_SUM)
                found = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118  # not a mapping
            if said != _checksum(found):
                raise SafetensorError("its checksum is another")
            path.touch()
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError) as error:
            _log.warning("%s cannot be used and is computed again: %s", path, error)
            path.unlink(missing_ok=True)
            return None
        return found

    def save(self, tokens: Sequence[int], arrays: Mapping[str, NDArray[np.uint8]]) -> None:
        """Keeps arrays of bytes for these tokens. A disk that is full or read-only is only warned of."""
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        path = self._path(tokens)
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(dict(arrays), str(draft), {_SUM: _checksum(arrays)})
            draft.replace(path)
            self._trim(path)
        except (OSError, SafetensorError) as error:
            _log.warning("%s was not written: %s", path, error)
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _path(self, tokens: Sequence[int]) -> Path:
        key = hashlib.sha256(self.model.encode())
        key.update(np.asarray(tokens, dtype=np.int64).tobytes())
        return self.folder / f"{key.hexdigest()[:32]}.safetensors"

    def _trim(self, newest: Path) -> None:
        files = [(file.stat().st_mtime, file.stat().st_size, file) for file in self.folder.glob("*.safetensors")]
        total = sum(size for _, size, _ in files)
        for _, size, file in sorted(files):
            if total <= self.max_bytes:
                break
            if file != newest:
                file.unlink(missing_ok=True)
                total -= size


def _checksum(arrays: Mapping[str, NDArray[np.uint8]]) -> str:
    value = 0
    for name in sorted(arrays):
        value = zlib.crc32(np.ascontiguousarray(arrays[name]).data, zlib.crc32(name.encode(), value))
    return str(value)
