"""What stands beside exported files: how to call them, in README.md."""

from __future__ import annotations

import json
from collections.abc import Sequence

from callwright.export.shape import wrapped
from callwright.types import Tool

_PYTHON = """\
```python
import json
from openai import OpenAI

client = OpenAI(base_url="{url}", api_key="none")
tools = json.load(open("{tools}"))
answer = client.chat.completions.create(
    model="{name}", temperature=0, tools=tools, messages=[{{"role": "user", "content": {request}}}]
)
print(answer.choices[0].message.tool_calls)
```
"""

_TRANSFORMERS = """\
```python
import json
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{folder}")
model = AutoModelForCausalLM.from_pretrained("{folder}")
messages = [{{"role": "user", "content": {request}}}]
prompt = tokenizer.apply_chat_template(
    messages, tools=json.load(open("{tools}")), add_generation_prompt=True, return_tensors="pt", return_dict=True
)
written = model.generate(**prompt, max_new_tokens=128, do_sample=False)
print(tokenizer.decode(written[0, prompt["input_ids"].shape[1] :]))
```
"""


def page(title: str, *parts: str) -> str:
    """A page of paragraphs, code and lists."""
    return "\n\n".join([f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def shell(*lines: str) -> str:
    """Lines for a terminal."""
    return "```sh\n" + "\n".join(lines) + "\n```"


def by_client(name: str, url: str, request: str, tools: str = "../tools.json") -> str:
    """How OpenAI's client asks a server."""
    return _PYTHON.format(url=url, tools=tools, name=name, request=json.dumps(request, ensure_ascii=False))


def by_transformers(request: str, folder: str = ".", tools: str = "../tools.json") -> str:
    """How transformers asks a folder."""
    return _TRANSFORMERS.format(folder=folder, tools=tools, request=json.dumps(request, ensure_ascii=False))


def tools_file(tools: Sequence[Tool]) -> str:
    """tools.json, as OpenAI's API takes them."""
    return json.dumps([wrapped(tool) for tool in tools], ensure_ascii=False, indent=2) + "\n"
