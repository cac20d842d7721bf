"""A small run of tests/fuzz_dialects.py."""

from __future__ import annotations

import argparse
from collections import defaultdict

import pytest

from fuzz_dialects import ALL, Faults, check, problems


@pytest.mark.parametrize("name", ALL)
def test_outputs_cut_and_damaged(name: str) -> None:
    faults: Faults = defaultdict(list)
    streams = check(name, argparse.Namespace(seed=1, whole=20, cuts=5, outputs=60, families=[name]), faults)
    assert streams > 100
    assert not faults, faults


FOUND = {
    "granite-3.0": '<|tool_call|>[{"name":"p","arguments":{"":[""]},"arguments":{"""""]"',
    "minimax-m2": '<minimax:tool_call><invoke name="p"><parameter name="x"></parameter><parameter name="x">',
    "lfm2": f"<|tool_call_start|>[play-music(items={'{' * 905}'x')]<|tool_call_end|>",
    "xlam-dicts": f"<calls>{{'name': 'f', 'arguments': {{'options': {'{' * 2000}1{'}' * 2000}}}}}</calls>",
}
"""What longer runs found: keys that come twice, and objects as keys of objects."""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found(name: str) -> None:
    text = FOUND[name]
    assert list(problems(ALL[name], text, (), [(False, list(range(1, len(text)))), (False, [7])])) == []
