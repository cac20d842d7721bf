"""Folders -> a repository on the hub, by huggingface_hub: only what changed is sent, and one commit holds all of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from callwright.errors import HubError

RepoType = Literal["model", "dataset", "space"]
_ENVIRONMENT = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_HIDDEN = (".git", ".cache", "__pycache__")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, where it goes, and whether the repository has it already."""

    path: Path
    place: str
    size: int
    there: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A repository. revision: a branch."""

    repo_id: str
    repo_type: RepoType = "model"
    private: bool = False
    revision: str = "main"


def find_token(folder: Path) -> tuple[str | None, str]:
    """A token and where it is from: HF_TOKEN in the environment, then in `folder`/.env, then the login."""
    for name in _ENVIRONMENT:
        if os.environ.get(name):
            return os.environ[name], name
    file = folder / ".env"
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            key, sign, value = line.strip().removeprefix("export ").partition("=")
            if sign and key.strip() in _ENVIRONMENT and value.strip():
                return value.strip().strip("\"'"), str(file)
    from huggingface_hub import get_token

    return get_token(), "the login"


def open_hub(token: str | None) -> Any:
    """The client, of the hub that HF_ENDPOINT names."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token or False)


def files_of(folders: Sequence[Path], inside: str, *, apart: bool) -> list[tuple[Path, str]]:
    """Every file and its place below `inside`. apart: each folder in one of its own name.

    Raises HubError for a folder that is not there, and for two files with one place.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.exists():
            raise HubError(f"{folder}: there is no such folder or file")
        start = "/".join(part for part in (inside.strip("/"), folder.resolve().name if apart else "") if part)
        for path in _walk(folder):
            name = path.name if folder.is_file() else path.relative_to(folder).as_posix()
            place = f"{start}/{name}" if start else name
            if place in found:
                raise HubError(f"{place}: {found[place]} and {path} would both go there; use --auto-subdir")
            found[place] = path
    if not found:
        raise HubError(f"{', '.join(map(str, folders))}: holds no file")
    return [(path, place) for place, path in found.items()]


def _walk(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if path.is_file() and not any(part in _HIDDEN or part == ".env" or part.endswith(".part") for part in inside):
            yield path


def plan(api: Any, target: Target, files: Sequence[tuple[Path, str]]) -> list[Upload]:
    """What of the files the repository lacks or has otherwise. A repository that is not there lacks all.

    Raises HubError where the hub refuses or cannot be reached.
    """
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    there: dict[str, str] = {}
    with told(target.repo_id):
        try:
            listed = api.list_repo_tree(
                target.repo_id, recursive=True, repo_type=target.repo_type, revision=target.revision
            )
            for entry in listed:
                if hasattr(entry, "blob_id"):
                    there[entry.path] = entry.lfs.sha256 if entry.lfs else entry.blob_id
        except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError):
            pass
    return [Upload(path, place, path.stat().st_size, _same(path, there.get(place))) for path, place in files]


def _same(path: Path, known: str | None) -> bool:
    """Whether a file's content has the id that the hub gives: of git, or of a large file."""
    if known is None:
        return False
    large = len(known) == 64
    digest = hashlib.sha256() if large else hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == known


def push(
    api: Any, target: Target, uploads: Sequence[Upload], message: str, say: Callable[[str], None] = lambda line: None
) -> str:
    """Makes the repository where there is none, sends what changed, and commits it: the commit's address.

    Large files that were sent before an interruption are not sent again: the hub has them by their content. Raises
    HubError; nothing is committed then.
    """
    from huggingface_hub import CommitOperationAdd

    changed = [upload for upload in uploads if not upload.there]
    with told(target.repo_id):
        address = api.create_repo(target.repo_id, private=target.private, repo_type=target.repo_type, exist_ok=True)
        if not changed:
            return str(address)
        say(f"sending {len(changed)} files, {sum(upload.size for upload in changed):,} bytes")
        done = api.create_commit(
            repo_id=target.repo_id,
            repo_type=target.repo_type,
            revision=target.revision,
            operations=[CommitOperationAdd(upload.place, str(upload.path)) for upload in changed],
            commit_message=message,
        )
    return str(done.commit_url)


@contextmanager
def told(repo_id: str) -> Iterator[None]:
    """What the client raises inside is a HubError that says what to do."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise HubError("HF_HUB_OFFLINE is set, so nothing can be sent; unset it") from error
    except HFValidationError as error:
        raise HubError(f"--repo-id '{repo_id}': write it as OWNER/NAME") from error
    except HfHubHTTPError as error:
        raise HubError(f"{repo_id}: {_advice(error)}") from error
    except Exception as error:
        if not _of_network(error):
            raise
        raise HubError(
            f"{repo_id}: the connection broke ({type(error).__name__}); run the command again: "
            "large files that were sent are not sent again"
        ) from error


def _of_network(error: BaseException) -> bool:
    # the client's own library of requests has had several names
    if isinstance(error, ConnectionError | TimeoutError) or type(error).__module__.startswith("httpx"):
        return True
    return isinstance(error, RuntimeError) and "upload" in str(error).lower()


def _advice(error: Any) -> str:
    status = getattr(error.response, "status_code", 0)
    first = (getattr(error, "server_message", None) or str(error)).strip().splitlines()[0][:200]
    told = {
        401: "the hub does not know this token, or it has expired; make one that may write, and set HF_TOKEN",
        403: "this token may not write there; make one with write access to it",
        404: "there is no such repository, or the token may not see it",
        413: "a file is larger than the hub takes",
        429: "the hub asks to wait; run the command again later",
    }.get(status)
    return f"{told} ({status}: {first})" if told else f"the hub answered {status}: {first}"
