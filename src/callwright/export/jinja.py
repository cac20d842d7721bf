"""A dialect -> a Jinja chat template that writes its prompts, for every server that reads one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from callwright.dialects.base import Dialect, text_of
from callwright.dialects.chat import Chat
from callwright.dialects.native import Native, to_template
from callwright.dialects.syntax.jsoncalls import dump
from callwright.dialects.xlam import XlamTags
from callwright.errors import DataError, ModelError
from callwright.export.shape import SYSTEM, Shape, shape_of, wrapped
from callwright.types import Conversation

_SCHEMA = """\
{%- macro declared(tool) -%}
{%- set f = tool['function'] -%}
{{- '{"type": "function", "function": {"name": ' }}{{ f['name'] | tojson }}{{ ', "description": ' -}}
{{- (f['description'] | default('', true)) | tojson }}{{ ', "parameters": ' }}{{ f['parameters'] | tojson }}{{ '}}' -}}
{%- endmacro -%}
"""

_SIGNATURE = """\
{%- set plain = ['string', 'integer', 'number', 'boolean', 'null', 'object', 'array'] -%}
{%- set letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_' -%}
{%- macro label(name) -%}
{%- set ns = namespace(simple=name | length > 0 and name[0] in letters) -%}
{%- for c in name -%}
{%- if c not in letters and c not in '0123456789' -%}{%- set ns.simple = false -%}{%- endif -%}
{%- endfor -%}
{{- name if ns.simple else name | tojson -}}
{%- endmacro -%}
{%- macro kind_of(schema) -%}
{%- if schema is mapping and '*/' not in (schema['description'] | default('', true) | string) -%}
{%- set ns = namespace(others=0, fit=true) -%}
{%- for key in schema -%}
{%- if key not in ['description', 'default'] -%}{%- set ns.others = ns.others + 1 -%}{%- endif -%}
{%- endfor -%}
{%- set kind = schema['type'] -%}
{%- set typed = 1 if 'type' in schema else 0 -%}
{%- if ns.others == 0 -%}any
{%- elif 'enum' in schema and ns.others == typed + 1 and schema['enum'] -%}
{%- for value in schema['enum'] -%}{{- '|' if not loop.first }}{{ value | tojson -}}{%- endfor -%}
{%- elif typed and ns.others == 1 and kind is string -%}{{- kind if kind in plain -}}
{%- elif typed and ns.others == 1 -%}
{%- for part in kind -%}{%- if part not in plain -%}{%- set ns.fit = false -%}{%- endif -%}{%- endfor -%}
{%- if ns.fit -%}{{- kind | join('|') -}}{%- endif -%}
{%- elif kind == 'array' and ns.others == 2 and 'items' in schema -%}
{%- set items = schema['items'] -%}
{%- set inner = kind_of(items) -%}
{%- if inner and 'description' not in items and 'default' not in items -%}
{{- '(' ~ inner ~ ')[]' if '|' in inner else inner ~ '[]' -}}
{%- endif -%}
{%- elif kind == 'object' and 'properties' in schema and ns.others == (3 if 'required' in schema else 2) -%}
{{- '{' ~ fields(schema) ~ '}' -}}
{%- endif -%}
{%- endif -%}
{%- endmacro -%}
{%- macro fields(schema) -%}
{%- set required = schema['required'] | default([], true) -%}
{%- set properties = schema['properties'] | default({}, true) -%}
{%- for name in properties -%}
{%- set one = properties[name] -%}
{%- set kind = kind_of(one) -%}
{{- ', ' if not loop.first }}{{ label(name) }}{{ '' if name in required else '?' }}{{ ': ' -}}
{%- if not kind -%}{{- one | tojson -}}
{%- else -%}
{{- kind -}}
{%- if 'default' in one -%}{{- ' = ' }}{{ one['default'] | tojson -}}{%- endif -%}
{%- if one['description'] -%}{{- ' /* ' ~ one['description'] ~ ' */' -}}{%- endif -%}
{%- endif -%}
{%- endfor -%}
{%- endmacro -%}
{%- macro declared(tool) -%}
{%- set f = tool['function'] -%}
{%- set ns = namespace(known=f['parameters']['type'] | default('object') == 'object') -%}
{%- for key in f['parameters'] -%}
{%- if key not in ['type', 'properties', 'required'] -%}{%- set ns.known = false -%}{%- endif -%}
{%- endfor -%}
{{- f['name'] }}({% if ns.known %}{{ fields(f['parameters']) }}{% else %}{{ f['parameters'] | tojson }}{% endif -%}
{{- '): ' }}{{ f['description'] | default('', true) -}}
{%- endmacro -%}
"""

_FORMS = {"schema": _SCHEMA, "signature": _SIGNATURE}


def chat_template(dialect: Dialect, tokenizer: Any, rows: Sequence[Conversation] = ()) -> str:
    """The template, tried on conversations of every kind and on `rows`.

    A model's own is kept, with the settings that it is used with. Raises ModelError, with the reason, for a dialect
    that no template is written for.
    """
    if isinstance(dialect, Native):
        return _settled(dialect, str(tokenizer.chat_template))
    if isinstance(dialect, XlamTags):
        made = _xlam(dialect)
    elif isinstance(dialect, Chat):
        made = _from_shape(shape_of(dialect, rows))
    else:
        raise ModelError(f"no chat template is written for the {dialect.name} dialect")
    for row in rows:
        _try(made, dialect, row)
    return made


def render(template: str, conversation: Conversation, *, bos: str = "", eos: str = "", as_text: bool = False) -> str:
    """A conversation before an assistant turn, as transformers and vLLM write it with a template."""
    from transformers.utils.chat_template_utils import render_jinja_template

    tools = [wrapped(tool) for tool in conversation.tools] or None
    messages = to_template(conversation, len(conversation.messages), as_text=as_text)
    (text,), _ = render_jinja_template(
        [messages], tools=tools, chat_template=template, add_generation_prompt=True, bos_token=bos, eos_token=eos
    )
    return str(text)


def _try(template: str, dialect: Dialect, row: Conversation) -> None:
    asked = replace(row, messages=row.messages[:-1]) if row.messages[-1].role == "assistant" else row
    try:
        wanted = text_of(dialect.prompt(asked))
    except DataError:
        return
    written = render(template, asked)
    if written != wanted:
        at = next((i for i, (a, b) in enumerate(zip(written, wanted, strict=False)) if a != b), 0)
        raise ModelError(
            f"{row.where or row.id}: a chat template of the {dialect.name} dialect would write "
            f"{written[at : at + 40]!r} where training has {wanted[at : at + 40]!r}; use 'callwright serve'"
        )


def _settled(dialect: Native, template: str) -> str:
    """With values that the template takes for its own where a request says nothing."""
    lines = (
        f"{{%- if {name} is not defined %}}{{%- set {name} = {_literal(value)} %}}{{%- endif -%}}"
        for name, value in (dialect.settings or {}).items()
    )
    return "".join(lines) + template


def _literal(value: object) -> str:
    """A value in Jinja.

    >>> _literal(False), _literal('a"b')
    ('false', '"a\\\\"b"')
    """
    return dump(value)


def _put(*texts: str) -> str:
    """Actions that write texts, marks in them replaced by what they stand for."""
    return "".join(f"{{{{- {_literal(text)} -}}}}" for text in texts if text)


def _with_system(text: str) -> str:
    before, mark, after = text.partition(SYSTEM)
    return _put(before) + ("{{- system -}}" if mark else "") + _put(after)


def _from_shape(shape: Shape) -> str:
    heads = {key: (_with_system(before), _with_system(after)) for key, (before, after) in shape.heads.items()}
    tools = (
        _put(shape.tools.before)
        + "{%- for tool in tools -%}"
        + (f"{{%- if not loop.first -%}}{_put(shape.tools.between)}{{%- endif -%}}" if shape.tools.between else "")
        + "{{- declared(tool) -}}{%- endfor -%}"
        + _put(shape.tools.after)
    )

    def head(with_tools: bool) -> str:
        inner = tools if with_tools else ""
        given, none = (heads[has, with_tools][0] + inner + heads[has, with_tools][1] for has in (True, False))
        return (
            f"\n{{%- if messages and messages[0]['role'] == 'system' -%}}{given}\n{{%- else -%}}{none}\n{{%- endif -%}}"
        )

    beside, alone, inside, between, behind = shape.calls
    first, middle, last = shape.results
    thinking = ""
    if shape.thinking:
        thinking = (
            "\n{%- if message['reasoning_content'] -%}"
            + _put(shape.thinking[0])
            + "{{- message['reasoning_content'] -}}"
            + _put(shape.thinking[1])
            + "{%- endif -%}"
        )
    system = shape.system or shape.user
    lines = [
        _FORMS[shape.tools.form],
        "{%- set said = namespace(last='') -%}",
        "\n{%- set system = messages[0]['content'] if messages and messages[0]['role'] == 'system' else '' -%}",
        f"\n{{%- if tools -%}}{head(True)}\n{{%- else -%}}{head(False)}\n{{%- endif -%}}",
        "\n{%- for message in messages -%}",
        "\n{%- set content = message['content'] if message['content'] is string else '' -%}",
        f"\n{{%- if said.last == 'tool' and message['role'] != 'tool' -%}}{_put(last)}{{%- endif -%}}",
        "\n{%- if loop.first and message['role'] == 'system' -%}",
        "\n{%- elif message['role'] == 'tool' -%}",
        f"\n{{%- if said.last == 'tool' -%}}{_put(middle)}{{%- else -%}}{_put(first)}{{%- endif -%}}",
        "{{- content -}}",
        f"\n{{%- elif message['role'] == 'assistant' -%}}{_put(shape.assistant[0])}{thinking}",
        "\n{{- content -}}",
        "\n{%- if message['tool_calls'] -%}{%- for tool_call in message['tool_calls'] -%}",
        f"\n{{%- if not loop.first -%}}{_put(between)}{{%- elif content -%}}{_put(beside)}",
        f"\n{{%- else -%}}{_put(alone)}{{%- endif -%}}",
        "\n{%- set called = tool_call['function'] -%}",
        "\n{{- called['name'] -}}" + _put(inside),
        "\n{%- if called['arguments'] is string -%}{{- called['arguments'] -}}",
        "\n{%- else -%}{{- called['arguments'] | tojson -}}{%- endif -%}",
        f"\n{{%- endfor -%}}{_put(behind)}{{%- endif -%}}",
        _put(shape.assistant[1]),
        "\n{%- elif message['role'] == 'system' -%}" + _put(system[0]) + "{{- content -}}" + _put(system[1]),
        "\n{%- else -%}" + _put(shape.user[0]) + "{{- content -}}" + _put(shape.user[1]) + "\n{%- endif -%}",
        "\n{%- set said.last = message['role'] -%}\n{%- endfor -%}",
        f"\n{{%- if said.last == 'tool' -%}}{_put(last)}{{%- endif -%}}",
        f"\n{{%- if add_generation_prompt -%}}{_put(shape.begin)}{{%- endif -%}}",
    ]
    return "".join(lines)


def _xlam(dialect: XlamTags) -> str:
    """One user turn, then the tools, one a line."""
    if dialect.python_dicts:
        raise ModelError("no chat template is written for Python dicts of the xlam dialect")
    one = (
        '{{- \'{"name": \' }}{{ f["name"] | tojson }}{{ \', "description": \' }}'
        "{{ (f['description'] | default('', true)) | tojson }}"
        "{{ ', \"parameters\": ' }}{{ f['parameters'] | tojson }}{{ '}' -}}"
    )
    return (
        "{%- if messages | length != 1 or messages[0]['role'] != 'user' -%}"
        "{{- raise_exception('this model answers one user turn, without a system text') -}}{%- endif -%}\n"
        + _put(f"{dialect.bos}<user>")
        + "{{- messages[0]['content'] -}}"
        + _put("</user>\n\n<tools>")
        + "\n{%- for tool in tools or [] -%}{%- set f = tool['function'] -%}"
        + "{%- if not loop.first -%}"
        + _put("\n")
        + f"{{%- endif -%}}{one}{{%- endfor -%}}"
        + _put("</tools>\n\n")
    )
