"""Segments -> coloured text: what is trained stands out, by its meaning."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from callwright.types import Conversation, Kind, Rendered, Segment

_STYLES = {
    Kind.PREFIX: "dim",
    Kind.PROMPT: "",
    Kind.THINKING: "italic green",
    Kind.TEXT: "green",
    Kind.DECISION: "bold cyan",
    Kind.SCAFFOLD: "blue",
    Kind.NAME: "bold magenta",
    Kind.KEY: "magenta",
    Kind.ARGUMENT: "yellow",
    Kind.STOP: "red",
}


def coloured(segments: Sequence[Segment]) -> Text:
    """The whole text; untrained parts are plain or dim."""
    text = Text()
    for segment in segments:
        trained = segment.weight or segment.kind in (Kind.PREFIX, Kind.PROMPT)
        text.append(segment.text, _STYLES[segment.kind] if trained else "strike")
    return text


def facts(row: Conversation, dialect: str, segments: Sequence[Segment], rendered: Rendered) -> dict[str, str]:
    """Counts of a row, tokens exact."""
    characters = sum(len(segment.text) for segment in segments)
    legend = " ".join(f"[{style or 'default'}]{kind.value}[/]" for kind, style in _STYLES.items())
    return {
        "row": f"{row.id} ({row.where})".replace("[", "\\["),
        "dialect": dialect,
        "tools": str(len(row.tools)),
        "characters": f"{characters:,}",
        "tokens": f"{len(rendered.token_ids):,}",
        "shared prefix": f"{rendered.prefix_len:,} tokens",
        "trained": f"{sum(1 for weight in rendered.weights if weight):,} tokens",
        "colours": legend,
    }
