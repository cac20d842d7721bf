"""`callwright serve MODEL`: the model behind OpenAI's API, and a page to try it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from callwright.cli.run import AsJson

EXAMPLE = "Example: callwright serve smollm2-135m --adapter runs/home/adapter --port 8000"

_KEY = "CALLWRIGHT_API_KEY"


def serve(  # noqa: PLR0913  # what a server is told
    model: Annotated[str, typer.Argument(help="A hub id, a folder, a GGUF file, or 'smollm2-135m'.")],
    adapter: Annotated[
        list[str] | None,
        typer.Option("--adapter", help="A trained adapter's folder, or NAME=FOLDER; several are served by name."),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="What requests call the model; its own name where not given.")
    ] = "",
    dialect: Annotated[str, typer.Option("--dialect", help="'auto': the adapter's own, or the model's.")] = "auto",
    host: Annotated[str, typer.Option("--host", help="0.0.0.0 lets other machines in; set a key then.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port")] = 8000,
    key: Annotated[
        list[str] | None, typer.Option("--key", help=f"An API key; {_KEY} in the environment is another way.")
    ] = None,
    context: Annotated[int, typer.Option("--context", help="Tokens of a prompt and its reply.")] = 8192,
    slots: Annotated[int, typer.Option("--slots", help="Replies that are written at once.")] = 16,
    waiting: Annotated[int, typer.Option("--waiting", help="Requests that may wait; one more gets 429.")] = 256,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds for a whole reply.")] = 300.0,
    free: Annotated[bool, typer.Option("--free", help="Do not hold replies to the tools' schemas.")] = False,
    engine: Annotated[
        str, typer.Option("--engine", help="'torch', 'openvino', 'llama.cpp', or 'auto': the fastest there is.")
    ] = "auto",
    calibration: Annotated[
        str | None, typer.Option("--calibration", help="Of `callwright calibrate`; the adapter's own where not given.")
    ] = None,
    cache: Annotated[str, typer.Option("--cache", help="Where computed tool sets are kept; '' keeps none.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Serve a model: /v1/chat/completions, /v1/completions, /v1/models, /health, /metrics, and a page at /."""
    from callwright.cli.console import err, print_json
    from callwright.errors import MissingExtra
    from callwright.models.bundled import cache_folder
    from callwright.pipeline.serving import Wanted, engine_named, open_served
    from callwright.serve.app import make_app
    from callwright.serve.desk import Settings

    try:
        import uvicorn
    except ImportError:
        raise MissingExtra("serve", "uvicorn") from None
    keys = [*(key or ()), *filter(None, [os.environ.get(_KEY)])]
    wanted = Wanted(
        model,
        tuple(adapter or ()),
        name,
        dialect,
        context=context,
        slots=slots,
        engine=engine_named(engine),
        constrain=not free,
        calibration=Path(calibration) if calibration else None,
        cache=cache_folder() / "prefixes" if cache == "auto" else Path(cache) if cache else None,
    )
    served = open_served(wanted)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    app = make_app(served, Settings(keys=keys, timeout=timeout, waiting=waiting))
    for each in served:
        err.print(f"{each.name}: {each.dialect.name}, {each.context:,} tokens")
    if host not in ("127.0.0.1", "localhost") and not keys:
        err.print(f"anybody who reaches {host}:{port} may use it; --key or {_KEY} closes it")
    if as_json:
        models = [{"model": each.name, "dialect": each.dialect.name, "context": each.context} for each in served]
        print_json({"url": f"http://{host}:{port}/v1", "models": models})
    err.print(f"http://{host}:{port}/ is the playground, http://{host}:{port}/v1 the API")
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=30)
