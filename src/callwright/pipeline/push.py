"""Folders and the run behind them -> what goes to the hub, the card among it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from callwright.errors import HubError
from callwright.export.card import Told, is_form, is_own, model_card
from callwright.export.hub import Target, Upload, files_of, open_hub, plan, push
from callwright.pipeline.trained import Trained, find_trained
from callwright.recipe import load_recipe
from callwright.report.card import card
from callwright.report.source import read_source
from callwright.score.run import EXACT

_README = "README.md"


@dataclass(frozen=True)
class Wish:
    """What to push. run: what the card is made from; found from the folders where not given. card: whether one is
    written. licence: of the weights, as the hub names it."""

    folders: tuple[Path, ...]
    target: Target
    inside: str = ""
    apart: bool = False
    run: Path | None = None
    card: bool = True
    licence: str = ""
    message: str = ""
    dry: bool = False


@dataclass(frozen=True)
class Pushed:
    """What was sent, or would be: the files, those that were there, and where they are."""

    uploads: list[Upload]
    address: str

    @property
    def changed(self) -> list[Upload]:
        return [upload for upload in self.uploads if not upload.there]


def push_folders(wish: Wish, token: str | None, say: Callable[[str], None] = lambda line: None) -> Pushed:
    """Sends what changed. Raises HubError, ModelError."""
    files = files_of(wish.folders, wish.inside, apart=wish.apart)
    with tempfile.TemporaryDirectory() as made:
        if wish.card and wish.target.repo_type == "model":
            files = _with_card(files, wish, Path(made) / _README)
        api = open_hub(token)
        uploads = plan(api, wish.target, files)
        if wish.dry:
            return Pushed(uploads, "")
        message = (
            wish.message or f"Upload {', '.join(folder.resolve().name for folder in wish.folders)} with callwright"
        )
        return Pushed(uploads, push(api, wish.target, uploads, message, say))


def _with_card(files: list[tuple[Path, str]], wish: Wish, made: Path) -> list[tuple[Path, str]]:
    """With a README.md at the top that has facts for the hub: the user's own where it has some, else one of the run."""
    top = next((path for path, place in files if place == _README), None)
    readme = top.read_text(encoding="utf-8") if top else ""
    if is_own(readme):
        return files
    trained = _trained(wish)
    if trained is None:
        return files
    made.write_text(_card(trained, readme, wish), encoding="utf-8")
    return [(path, place) for path, place in files if place != _README] + [(made, _README)]


def _trained(wish: Wish) -> Trained | None:
    if wish.run is not None:
        return find_trained(wish.run)
    for folder in wish.folders:
        if (folder / "recipe.json").is_file() or (folder / "adapter_config.json").is_file():
            return find_trained(folder)
    return None


def _card(trained: Trained, readme: str, wish: Wish) -> str:
    """The card of a run: how to ask it, how it scored, what it was trained on, and the recipe."""
    base, scores, parts, datasets = trained.model, {}, [], []
    whole = any((folder / "model.safetensors").is_file() or any(folder.glob("*.gguf")) for folder in wish.folders)
    parts.append(f"{base}, tuned to call functions with [Callwright](https://pypi.org/project/callwright/).")
    if not is_form(readme):
        # what export wrote beside the files, without its title
        parts.append(re.sub(r"\A# .*\n", "", readme))
    run = trained.run
    if run is not None:
        recipe = load_recipe(run / "recipe.json")
        datasets = [
            source.file.removeprefix("hub:") for source in recipe.data.sources if source.file.startswith("hub:")
        ]
        if (run / "report.json").is_file():
            source = read_source(run)
            parts.append(card(source))
            found = source.scored[source.main].report.aggregates if source.main is not None else {}
            if found.get(EXACT, {}).get("value") is not None:
                scores[EXACT] = float(found[EXACT]["value"])
        content = json.dumps(recipe.as_json(), indent=2, ensure_ascii=False)
        parts.append(f"## Recipe\n\n```json\n{content}\n```")
    title = wish.target.repo_id.rpartition("/")[2] or trained.name
    adapter = trained.adapter is not None and not whole
    return model_card(Told(title, base, adapter, datasets, wish.licence, scores), parts)


def target_of(repo_id: str, repo_type: str, *, private: bool, revision: str) -> Target:
    """Raises HubError for what the hub has not."""
    if repo_type not in ("model", "dataset", "space"):
        raise HubError(f"--repo-type '{repo_type}': give model, dataset or space")
    if repo_id.count("/") != 1:
        raise HubError(f"--repo-id '{repo_id}': write it as OWNER/NAME")
    return Target(repo_id, repo_type, private, revision)  # type: ignore[arg-type]
