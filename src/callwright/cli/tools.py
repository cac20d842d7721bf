"""`callwright tools show SOURCE`: what a model will be told of your functions."""

from __future__ import annotations

from typing import Annotated

import typer

from callwright.cli.run import AsJson

app = typer.Typer(
    no_args_is_help=True, help="Tools: read them from Python or JSON, and look at them.", rich_markup_mode=None
)


@app.command("show", epilog="Example: callwright tools show examples/home/tools.py")
def show(
    source: Annotated[str, typer.Argument(help="A .py file (file.py:name,name), a module, or a .json file.")],
    model: Annotated[str, typer.Option("--model", help="Count tokens with this model's tokenizer.")] = "smollm2-135m",
    dialect: Annotated[str, typer.Option("--dialect", help="Count tokens as this dialect writes tools.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Print each tool's signature, description, and what it costs in tokens."""
    from rich.markup import escape

    from callwright.cli.console import out, print_json
    from callwright.dialects import dialect_for
    from callwright.dialects.tokenise import encode_prompt
    from callwright.models.tokenizer import load_tokenizer
    from callwright.tools import load_tools, signature_of, tool_to_json
    from callwright.types import Conversation, Message

    tools = load_tools(source)
    tokenizer = load_tokenizer(model)
    written = dialect_for(dialect, tokenizer)

    def count(*some: object) -> int:
        row = Conversation("", tuple(some), (Message("user", "x"),))  # type: ignore[arg-type]
        return len(encode_prompt(list(written.prompt(row)), tokenizer)[0])

    alone = count(tools[0])
    costs = [count(*tools) - count(*(other for other in tools if other is not tool)) for tool in tools]
    total = count(*tools)
    if as_json:
        rows = [tool_to_json(tool) | {"tokens": cost} for tool, cost in zip(tools, costs, strict=True)]
        print_json({"tools": rows, "prompt_tokens": total})
        return
    for tool, cost in zip(tools, costs, strict=True):
        out.print(
            f"[bold]{escape(signature_of(tool))}[/bold]  [dim]{cost} tokens[/dim]\n    {escape(tool.description)}"
        )
    out.print(
        f"\n{len(tools)} tools; a prompt with them is {total} tokens ({alone} with the first alone), {written.name}"
    )
