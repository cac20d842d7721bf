"""JSON Schema of tool parameters: normalise what sources write, check it, validate arguments, sample values."""

from callwright.schema.check import Misfit, check_schema, misfits, validate
from callwright.schema.normal import has_none_filler, normalise
from callwright.schema.sample import sample_value
from callwright.schema.typenames import parameters_from_type_names

__all__ = [
    "Misfit",
    "check_schema",
    "has_none_filler",
    "misfits",
    "normalise",
    "parameters_from_type_names",
    "sample_value",
    "validate",
]
