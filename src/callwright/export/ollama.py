"""A dialect and the tools that a model was trained with -> a Modelfile, whose Go template writes what training wrote.

Go has no JSON with Python's separators and sorts the keys of objects, so the tools that are known stand in the template
as training wrote them; others are written by a function of the template, and may differ in spaces and order.
"""

from __future__ import annotations

from collections.abc import Sequence

from callwright.dialects.syntax.jsoncalls import dump
from callwright.export.shape import SYSTEM, Shape, declared
from callwright.types import Tool

_DEFINED = """\
{{ define "text" }}{{ $json := json . }}{{ $plain := printf "%q" . }}\
{{ if or (eq $json $plain) (eq (html .) .) }}{{ $json }}{{ else }}{{ $plain }}{{ end }}{{ end }}\
{{ define "value" }}{{ $type := printf "%T" . }}{{ $next := "" }}\
{{ if eq $type "string" }}{{ template "text" . }}\
{{ else if eq (printf "%.4s" $type) "map[" }}{{ "{" }}\
{{ range $key, $value := . }}{{ $next }}{{ template "text" $key }}: {{ template "value" $value }}{{ $next = ", " }}\
{{ end }}}\
{{ else if eq (printf "%.2s" $type) "[]" }}[\
{{ range . }}{{ $next }}{{ template "value" . }}{{ $next = ", " }}{{ end }}]\
{{ else }}{{ json . }}{{ end }}{{ end }}"""

_ONE = '{{ $next }}{{ template "text" $key }}: {{ template "value" $value }}{{ $next = ", " }}'


def modelfile(shape: Shape, tools: Sequence[Tool], stops: Sequence[str], weights: str, *, bos: str = "") -> str:
    """The Modelfile. weights: the GGUF file, from where this will lie, as "./model.gguf". bos: what the server puts
    before every prompt by itself."""
    stop_lines = "".join(f"PARAMETER stop {dump(stop)}\n" for stop in stops)
    return (
        f"FROM {weights}\n"
        f'TEMPLATE """{go_template(shape, tools, bos=bos)}"""\n'
        f"{stop_lines}"
        "PARAMETER temperature 0\n"
        "PARAMETER num_ctx 8192\n"
    )


def go_template(shape: Shape, tools: Sequence[Tool], *, bos: str = "") -> str:
    """A Go text/template of the messages and tools that Ollama gives one. Actions end with a line break inside, so
    that the text between them is exact. Thinking of earlier turns is left out."""
    heads = {key: (_head(before, bos), _head(after, "")) for key, (before, after) in shape.heads.items()}

    def head(with_tools: bool) -> str:
        inner = _tools(shape, tools) if with_tools else ""
        given, none = (heads[has, with_tools][0] + inner + heads[has, with_tools][1] for has in (True, False))
        return given if given == none else f"{{{{ if $begins\n}}}}{given}{{{{ else }}}}{none}{{{{ end\n}}}}"

    first, middle, last = (_text(text) for text in shape.results)
    after_results = '{{ if and (eq $last "tool") (ne .Role "tool")\n}}' + last + "{{ end }}" if last else ""
    system = shape.system or shape.user
    return "".join(
        [
            _DEFINED,
            _arguments(tools),
            '{{ $system := "" }}{{ $begins := false }}{{ $last := ""\n}}',
            '{{ range $i, $_ := .Messages }}{{ if and (eq $i 0) (eq .Role "system")\n}}',
            "{{ $begins = true }}{{ $system = .Content }}{{ end }}{{ end\n}}",
            f"{{{{ if .Tools\n}}}}{head(True)}{{{{ else\n}}}}{head(False)}{{{{ end\n}}}}",
            f"{{{{ range $i, $_ := .Messages }}}}{{{{ $final := eq (len (slice $.Messages $i)) 1\n}}}}{after_results}",
            '{{ if and (eq $i 0) $begins\n}}{{ else if eq .Role "tool"\n}}',
            f'{{{{ if eq $last "tool" }}}}{middle}{{{{ else }}}}{first}{{{{ end }}}}{{{{ .Content\n}}}}',
            f'{{{{ else if eq .Role "assistant"\n}}}}{_text(shape.assistant[0])}{{{{ .Content\n}}}}',
            _calls(shape),
            f"{{{{ if not $final }}}}{_text(shape.assistant[1])}{{{{ end\n}}}}",
            f'{{{{ else if eq .Role "system"\n}}}}{_text(system[0])}{{{{ .Content }}}}{_text(system[1])}',
            f"{{{{ else\n}}}}{_text(shape.user[0])}{{{{ .Content }}}}{_text(shape.user[1])}{{{{ end\n}}}}",
            "{{ $last = .Role }}{{ end\n}}",
            f'{{{{ if eq $last "tool" }}}}{last}{{{{ end\n}}}}' if last else "",
            f'{{{{ if ne $last "assistant" }}}}{_text(shape.begin)}{{{{ end }}}}',
        ]
    )


def _calls(shape: Shape) -> str:
    """Ollama takes the first text inside `if .ToolCalls` for what opens a call, so that is no action."""
    beside, alone, inside, between, behind = (_text(text) for text in shape.calls)
    return (
        "{{ if .ToolCalls }}{{ $beside := .Content }}{{ range $n, $_ := .ToolCalls\n}}"
        f"{{{{ if eq $n 0 }}}}{{{{ if $beside }}}}{beside}{{{{ else }}}}{alone}{{{{ end }}}}"
        f"{{{{ else }}}}{between}{{{{ end }}}}{{{{ .Function.Name }}}}{inside}"
        f'{{{{ template "arguments" .Function\n}}}}{{{{ end }}}}{behind}{{{{ end\n}}}}'
    )


def _tools(shape: Shape, tools: Sequence[Tool]) -> str:
    if shape.tools.form == "signature":
        other = "{{ .Function.Name }}({{ json .Function.Parameters }}): {{ .Function.Description }}"
    else:
        other = (
            '{"type": "function", "function": {"name": {{ template "text" .Function.Name }}, '
            '"description": {{ template "text" .Function.Description }}, "parameters": {{ json .Function.Parameters }}'
            + _text("}}")
        )
    known = "".join(
        f"{{{{ {'else if' if number else 'if'} and (eq .Function.Name {dump(tool.name)}) "
        f"(eq .Function.Description {dump(tool.description)})\n}}}}{_text(declared(tool, shape.tools.form))}"
        for number, tool in enumerate(tools)
    )
    one = f"{known}{{{{ else\n}}}}{other}{{{{ end\n}}}}" if known else other
    between = f"{{{{ if $n }}}}{_text(shape.tools.between)}{{{{ end\n}}}}" if shape.tools.between else ""
    return (
        f"{_text(shape.tools.before)}{{{{ range $n, $_ := .Tools }}}}{between}{one}{{{{ end\n}}}}"
        f"{_text(shape.tools.after)}"
    )


def _arguments(tools: Sequence[Tool]) -> str:
    """A call's arguments in the order of its tool's schema, which is how training wrote them."""
    branches: list[str] = []
    for tool in tools:
        names = list(tool.parameters.get("properties") or {})
        if not names:
            continue
        ordered = "".join(
            f"{{{{ range $key, $value := .Arguments }}}}{{{{ if eq $key {dump(name)}\n}}}}{_ONE}"
            "{{ end }}{{ end }}"
            for name in names
        )
        among = " ".join(f"(eq $key {dump(name)})" for name in names)
        rest = (
            f"{{{{ range $key, $value := .Arguments }}}}{{{{ if not (or {among})\n}}}}{_ONE}{{{{ end }}}}{{{{ end }}}}"
        )
        word = "else if" if branches else "if"
        branches.append(f"{{{{ {word} eq .Name {dump(tool.name)}\n}}}}{ordered}{rest}")
    plain = f"{{{{ range $key, $value := .Arguments }}}}{_ONE}{{{{ end }}}}"
    body = f"{''.join(branches)}{{{{ else\n}}}}{plain}{{{{ end }}}}" if branches else plain
    return f'{{{{ define "arguments" }}}}{{{{ $next := ""\n}}}}{{{{ "{{" }}}}{body}}}{{{{ end\n}}}}'


def _head(text: str, bos: str) -> str:
    before, mark, after = text.removeprefix(bos).partition(SYSTEM)
    return _text(before) + ("{{ $system }}" if mark else "") + _text(after)


def _text(text: str) -> str:
    """Text of a template: braces that would open an action, and quotes that would end the Modelfile's, as actions.

    >>> _text('{"a": {{"b"}}')
    '{"a": {{ "{" }}{{ "{" }}"b"}}'
    """
    if text.endswith("{"):
        return _text(text[:-1]) + '{{ "{" }}'
    return text.replace("{{", '{{ "{" }}{{ "{" }}').replace('"""', '{{ "\\"" }}{{ "\\"" }}{{ "\\"" }}')
