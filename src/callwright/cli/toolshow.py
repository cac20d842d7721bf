"""`callwright tools show SOURCE`: what a model will be told of your functions, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from callwright.cli.run import AsJson
from callwright.types import Tool

if TYPE_CHECKING:
    from callwright.dialects.costs import Costs

EXAMPLE = "Example: callwright tools show examples/home/tools.py"

SOURCES = """tools.py, tools.py:f,g or my.module:f,g; tools.json or .jsonl, as OpenAI, Anthropic, Gemini, BFCL, MCP and
Seal-Tools write them, with #name=f,g behind it to choose; api.yaml or .json, OpenAPI 3 or Swagger 2, with
#tag=pets&path=/pets/*&method=get&operation=addPet; schema.graphql, with #field=user,orders; mcp:https://HOST/mcp or
'mcp:COMMAND ARGUMENTS', with #name=f,g."""


def show(
    source: Annotated[str, typer.Argument(help=" ".join(SOURCES.split()))],
    model: Annotated[
        str, typer.Option("--model", help="Count tokens with this model's tokenizer; 'none' to count none.")
    ] = "smollm2-135m",
    dialect: Annotated[str, typer.Option("--dialect", help="Count tokens as this dialect writes tools.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Print each tool's signature, description, parameters, and what it costs in tokens. No tool is called.

    A Python file is imported, and the command of an MCP server is started: both are your own code.
    """
    from callwright.cli.console import out, print_json
    from callwright.tools import load_tools, tool_to_json

    tools = load_tools(source)
    costs, written = _costs(tools, model, dialect) if model != "none" else (None, "")
    if as_json:
        each: Sequence[int | None] = costs.of_tool if costs else [None] * len(tools)
        rows = [tool_to_json(tool) | {"tokens": tokens} for tool, tokens in zip(tools, each, strict=True)]
        print_json({"tools": rows, "prompt_tokens": costs.prompt if costs else None})
        return
    for number, tool in enumerate(tools):
        out.print(_described(tool, costs.of_tool[number] if costs else None), soft_wrap=True)
    tail = f"; a prompt with all is {costs.prompt:,} tokens, {written}" if costs else ""
    out.print(f"{len(tools)} tool{'s' * (len(tools) != 1)}{tail}. A parameter with ? may be left out.")


def _costs(tools: Sequence[Tool], model: str, dialect: str) -> tuple[Costs, str]:
    """The costs, and in which words."""
    from callwright.dialects import dialect_for
    from callwright.dialects.costs import costs_of
    from callwright.models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(model)
    written = dialect_for(dialect, tokenizer)
    return costs_of(tools, written, tokenizer), f"dialect {written.name}"


def _described(tool: Tool, tokens: int | None) -> str:
    from rich.markup import escape

    from callwright.tools.show import details_of, signature_of

    cost = f"  [dim]{tokens:,} tokens[/dim]" if tokens is not None else ""
    lines = [f"[bold]{escape(signature_of(tool))}[/bold]{cost}"]
    lines += [f"    {escape(tool.description)}"] if tool.description else []
    for name, text in details_of(tool):
        lines.append(
            f"      [dim]{escape(name)}{'  ' if text and ': ' in name else ': ' if text else ''}{escape(text)}[/dim]"
        )
    return "\n".join(lines) + "\n"
