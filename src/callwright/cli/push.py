"""`callwright push FOLDER...`: adapters, models, GGUF files, reports or data sets to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callwright.cli.run import AsJson

EXAMPLE = "Example: callwright push exports/home/merged --run runs/home --repo-id me/home --private --dry-run"


def push(  # noqa: PLR0913  # one argument an option
    folders: Annotated[list[str], typer.Argument(help="Folders or files.")],
    repo_id: Annotated[str, typer.Option("--repo-id", help="OWNER/NAME; it is made where there is none.")],
    repo_type: Annotated[str, typer.Option("--repo-type", help="model, dataset or space.")] = "model",
    private: Annotated[bool, typer.Option("--private", help="A new repository is seen by its owner alone.")] = False,
    path_in_repo: Annotated[str, typer.Option("--path-in-repo", help="A folder there; the top without it.")] = "",
    auto_subdir: Annotated[bool, typer.Option("--auto-subdir", help="Each folder into one of its own name.")] = False,
    revision: Annotated[str, typer.Option("--revision", help="A branch.")] = "main",
    message: Annotated[str, typer.Option("--commit-message")] = "",
    run: Annotated[str | None, typer.Option("--run", help="The run that the card tells of, beside an export.")] = None,
    licence: Annotated[str, typer.Option("--license", help="Of the weights, for the card: apache-2.0, ...")] = "",
    no_card: Annotated[bool, typer.Option("--no-card", help="Write no README.md of the run.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send what changed, in one commit, with a model card of the run's scores, data and recipe.

    The token is HF_TOKEN of the environment or of a .env file here, or the login of `hf auth login`. After an
    interruption run it again: large files that were sent are not sent again.
    """
    from callwright.cli.console import err, out, print_json
    from callwright.export.hub import find_token
    from callwright.pipeline.push import Wish, push_folders, target_of

    target = target_of(repo_id, repo_type, private=private, revision=revision)
    wish = Wish(
        tuple(map(Path, folders)),
        target,
        path_in_repo,
        auto_subdir,
        Path(run) if run else None,
        not no_card,
        licence,
        message,
        dry_run,
    )
    token, place = find_token(Path())
    err.print(f"token: {place if token else 'none'}", markup=False)
    done = push_folders(wish, token, lambda line: err.print(line, markup=False))
    if as_json:
        files = [{"path": one.place, "size": one.size, "changed": not one.there} for one in done.uploads]
        print_json({"repo_id": repo_id, "address": done.address, "files": files})
        return
    for one in done.changed:
        out.print(
            f"{'would send' if dry_run else 'sent'} {one.place} ({one.size:,} bytes)", markup=False, soft_wrap=True
        )
    same = len(done.uploads) - len(done.changed)
    out.print(f"{len(done.changed)} files changed, {same} are there already", markup=False)
    if done.address:
        out.print(done.address, markup=False)
