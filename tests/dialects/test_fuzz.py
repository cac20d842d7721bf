"""A small run of tests/fuzz_dialects.py."""

from __future__ import annotations

import argparse
from collections import defaultdict

import pytest

from fuzz_dialects import ALL, Faults, check


@pytest.mark.parametrize("name", ALL)
def test_outputs_cut_and_damaged(name: str) -> None:
    faults: Faults = defaultdict(list)
    streams = check(name, argparse.Namespace(seed=1, whole=20, cuts=5, outputs=60, families=[name]), faults)
    assert streams > 100
    assert not faults, faults
