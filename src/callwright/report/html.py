"""Sections -> one HTML file that opens offline: its styles, scripts and data are inside, nothing else loads."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup, escape

from callwright.report.data import Chart
from callwright.report.tables import Matrix, Table

_PAGE = Path(__file__).with_name("page")
_SCRIPTS = ("sort.js", "misses.js")


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, in this order. more, code: a summary, and what it opens.

    rows, groups: JSON for the list of misses, in which every "<" is escaped; at most one section has them.
    """

    id: str
    heading: str
    table: Table | None = None
    matrix: Matrix | None = None
    charts: Sequence[Chart] = ()
    more: tuple[str, Table] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    code: tuple[str, str] | None = None
    rows: str = ""
    groups: str = "{}"
    note: str = ""


def page(name: str, verdict: str, about: Mapping[str, str], sections: Sequence[Section]) -> str:
    """The page as text. about: facts under the verdict. Equal input gives equal text."""
    # Here and not above: it is asked for once in a while.
    import jinja2

    style = (_PAGE / "style.css").read_text(encoding="utf-8")
    script = "\n".join((_PAGE / file).read_text(encoding="utf-8") for file in _SCRIPTS)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["breakable"] = _breakable
    template = environment.from_string((_PAGE / "page.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        name=name,
        verdict=verdict,
        about=about,
        sections=sections,
        style=style,
        script=script,
        policy=_policy(style, script),
    )


def _breakable(text: str) -> Markup:
    """A name that may go on in the next line behind its underscores and dots."""
    return Markup(re.sub(r"(?<=[_.])", "<wbr>", str(escape(text))))


def _policy(style: str, script: str) -> str:
    """Only this style and this script, by their digests, and no requests at all."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
