"""The schema of report.json that the package ships."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs

import callwright.report

SCHEMA = json.loads((Path(callwright.report.__file__).parent / "report.schema.json").read_text(encoding="utf-8"))
_VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


def check_report(path: Path) -> None:
    """Raises jsonschema_rs.ValidationError where a report.json is not what the schema says."""
    _VALIDATOR.validate(json.loads(path.read_text(encoding="utf-8")))
