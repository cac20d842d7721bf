"""The example that comes with Callwright: twelve functions of a home, and an adapter that was tuned to call them."""

from __future__ import annotations

from pathlib import Path

from callwright.errors import ModelError

_HERE = Path(__file__).resolve().parents[1]
# in a wheel beside the package's own folders, in a clone beside `src`
_PLACES = (_HERE / "examples" / "home", _HERE.parents[1] / "examples" / "home")


def home_folder() -> Path:
    """`examples/home`. Raises ModelError where it, or its adapter, is not there."""
    found = next((place for place in _PLACES if (place / "adapter" / "adapter_config.json").is_file()), None)
    if found is None:
        raise ModelError(
            "the example's adapter is not installed; `callwright run examples/home/recipe.yaml` in a clone makes one"
        )
    return found
