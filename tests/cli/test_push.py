"""`callwright push`, as a user types it, by the hub's own client against a server of the tests'."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from callwright.errors import HubError
from callwright.export.hub import told
from hub_server import TOKEN, Hub, running
from trained import run_folder


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    with running(made):
        yield made


def started(hub: Hub, folder: Path, *words: str, token: str | None = TOKEN) -> subprocess.Popen[str]:
    """The command in a process of its own: the client reads its settings once."""
    settings = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    settings |= {"HF_HOME": str(folder / "none"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    settings.pop("HF_TOKEN", None)
    if token is not None:
        settings["HF_TOKEN"] = token
    line = [sys.executable, "-m", "callwright", "push", *words]
    return subprocess.Popen(line, cwd=folder, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def call(hub: Hub, folder: Path, *words: str, token: str | None = TOKEN) -> tuple[int, str, str]:
    """Its exit code, stdout and stderr."""
    with started(hub, folder, *words, token=token) as process:
        printed, errors = process.communicate(timeout=120)
    return process.returncode, printed, errors


def front(text: str) -> Any:
    return yaml.safe_load(text.split("---\n")[1])


def test_a_run_its_card_and_a_second_push_that_sends_nothing(hub: Hub, tmp_path: Path) -> None:
    run_folder(tmp_path)
    asked = ("bells/adapter", "--run", "bells", "--repo-id", "me/bells", "--private", "--license", "apache-2.0")
    code, printed, errors = call(hub, tmp_path, *asked, "--dry-run", "--json")
    assert code == 0, errors
    assert not hub.repos
    assert {one["path"]: one["changed"] for one in json.loads(printed)["files"]}["adapter_config.json"]
    code, printed, errors = call(hub, tmp_path, *asked, "--commit-message", "First")
    assert code == 0, errors
    assert hub.repos["me/bells"].get("private") or hub.repos["me/bells"]["visibility"] == "private"
    assert hub.commits[0]["message"] == "First"
    expected = {path.name for path in (tmp_path / "bells" / "adapter").iterdir()} | {"README.md"}
    assert set(hub.tree["me/bells"]) == expected
    weights = (tmp_path / "bells" / "adapter" / "adapter_model.safetensors").read_bytes()
    assert hub.blobs[hub.tree["me/bells"]["adapter_model.safetensors"]] == weights
    card = hub.text("me/bells", "README.md")
    facts = front(card)
    assert (facts["library_name"], facts["license"]) == ("peft", "apache-2.0")
    assert "function-calling" in facts["tags"]
    assert '"method": "lora"' in card
    before = len(hub.log)
    code, printed, errors = call(hub, tmp_path, *asked)
    assert code == 0, errors
    assert "0 files changed" in printed
    assert len(hub.commits) == 1
    assert not [line for line in hub.log[before:] if line.startswith("PUT") or line in ("POST batch", "POST main")]
    (tmp_path / "bells" / "adapter" / "callwright.json").write_text('{"dialect": "hermes"}')
    code, printed, _ = call(hub, tmp_path, *asked)
    assert "1 files changed" in printed
    assert [line["value"]["path"] for line in hub.commits[1]["files"]] == ["callwright.json"]


@pytest.mark.parametrize("part", [0, 40_000])
def test_large_files_that_were_sent_are_not_sent_again(part: int, tmp_path: Path) -> None:
    hub = Hub(part=part)
    (tmp_path / "files").mkdir()
    for number in range(3):
        (tmp_path / "files" / f"{number}.gguf").write_bytes(bytes([number]) * 100_000)
    asked = ("files", "--repo-id", "me/large", "--no-card")
    with running(hub):
        hub.holds = threading.Event()
        with started(hub, tmp_path, *asked) as process:
            assert hub.reached.wait(60)
            process.kill()
        assert not hub.commits
        hub.holds.set()
        hub.holds = None
        whole = len(hub.blobs)
        hub.log.clear()
        code, _, errors = call(hub, tmp_path, *asked)
        assert code == 0, errors
        sent = (3 - whole) * (3 if part else 1)
        assert hub.log.count("PUT part" if part else "PUT whole") == sent
        assert set(hub.tree["me/large"]) == {"0.gguf", "1.gguf", "2.gguf"}
    assert part or whole == 1


def test_a_connection_that_breaks() -> None:
    why = r"me/x: the connection broke \(ConnectionResetError\); run the command again"
    with pytest.raises(HubError, match=why), told("me/x"):
        raise ConnectionResetError
    with pytest.raises(KeyError), told("me/x"):
        raise KeyError


def test_tokens(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "train.jsonl").write_text("{}\n")
    asked = ("rows", "--repo-id", "me/rows", "--repo-type", "dataset")
    code, _, errors = call(hub, tmp_path, *asked, token="hf_expired")
    assert code == 2
    assert "expired; make one that may write, and set HF_TOKEN (401" in errors
    assert "hf_expired" not in errors
    code, _, errors = call(hub, tmp_path, *asked, token=None)
    assert code == 2
    assert "token: none" in errors
    (tmp_path / ".env").write_text(f'# mine\nexport HF_TOKEN="{TOKEN}"\n')
    code, _, errors = call(hub, tmp_path, *asked, token=None)
    assert code == 0, errors
    assert "token: .env" in errors
    assert hub.repos["me/rows"]["type"] == "dataset"
    assert set(hub.tree["me/rows"]) == {"train.jsonl"}


def test_several_folders(hub: Hub, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "a.txt").write_text(name)
        (tmp_path / name / ".env").write_text("HF_TOKEN=hf_secret")
    asked = ("one", "two", "--repo-id", "me/both", "--no-card")
    code, _, errors = call(hub, tmp_path, *asked)
    assert code == 2
    assert "deep/a.txt: one/deep/a.txt and two/deep/a.txt would both go there; use --auto-subdir" in errors
    code, _, errors = call(hub, tmp_path, *asked, "--auto-subdir", "--path-in-repo", "runs")
    assert code == 0, errors
    assert set(hub.tree["me/both"]) == {"runs/one/deep/a.txt", "runs/two/deep/a.txt"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("none", "--repo-id", "me/x"), "none: there is no such folder"),
        (("files", "--repo-id", "x"), "write it as OWNER/NAME"),
        (("files", "--repo-id", "me/x", "--repo-type", "modle"), "give model, dataset or space"),
        (("files", "--repo-id", "me/x x"), "write it as OWNER/NAME"),
    ],
)
def test_what_cannot_be_sent_is_said(words: tuple[str, ...], why: str, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("a")
    code, _, errors = call(hub, tmp_path, *words)
    assert code == 2
    assert why in errors
    assert not hub.repos
