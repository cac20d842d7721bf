"""`callwright dialects`: every dialect with a call as it writes it."""

from __future__ import annotations

from callwright.cli.run import AsJson

EXAMPLE = "Example: callwright dialects --json"


def dialects(as_json: AsJson = False) -> None:
    """List the dialects: how each writes two calls, and which parser of vLLM and of SGLang reads them.

    'native' is none of these: it is a model's own chat template, with the calls of whichever family it writes.
    """
    from rich.text import Text

    from callwright.cli.console import out, print_json
    from callwright.dialects.examples import examples

    found = examples()
    if as_json:
        keys = ("name", "text", "vllm", "sglang", "note")
        print_json([{key: getattr(one, key) for key in keys} for one in found])
        return
    for one in found:
        servers = [f"{server}: {name}" for server, name in (("vLLM", one.vllm), ("SGLang", one.sglang)) if name]
        about = "; ".join(filter(None, [one.note, ", ".join(servers) or "no server's parser"]))
        out.print(Text.assemble((one.name, "bold"), f"  ({about})"))
        out.print(Text("\n".join(f"    {line}" for line in one.text.split("\n"))), soft_wrap=True)
