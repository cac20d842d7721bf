"""Tools of trades that few products have, made of a table: what a long list of tools is filled up with."""

from __future__ import annotations

from functools import cache

from callwright.types import JsonObject, Tool

_TOLD = "get list create update delete archive approve export assign compare inspect certify merge split transfer"
_VERBS = _TOLD.split()
# thing -> its parameter beside the id, with a type
_THINGS = {
    "court_filing": ("docket", "string"),
    "soil_probe": ("depth_cm", "integer"),
    "vaccine_batch": ("lot", "string"),
    "museum_loan": ("curator", "string"),
    "fishing_quota": ("tonnes", "number"),
    "elevator_audit": ("shaft", "integer"),
    "shipping_container": ("berth", "string"),
    "patent_claim": ("examiner", "string"),
    "lab_reagent": ("purity", "number"),
    "bridge_girder": ("span_m", "number"),
    "census_record": ("parish", "string"),
    "blood_donation": ("rhesus", "string"),
    "railway_switch": ("interlocking", "string"),
    "substation_relay": ("kilovolts", "number"),
    "insurance_policy": ("underwriter", "string"),
    "telescope_exposure": ("aperture", "string"),
    "quarry_permit": ("strata", "string"),
    "orchard_graft": ("rootstock", "string"),
    "satellite_pass": ("azimuth", "number"),
    "kiln_firing": ("cone", "integer"),
    "beehive_frame": ("apiary", "string"),
    "glacier_core": ("metres", "number"),
    "loom_pattern": ("warp", "integer"),
    "dredging_survey": ("channel_mark", "string"),
}


@cache
def fillers() -> tuple[Tool, ...]:
    """All of them, each thing once before any comes again.

    >>> len(fillers()), fillers()[0].name
    (360, 'get_court_filing')
    """
    return tuple(
        _tool(_VERBS[(place + turn) % len(_VERBS)], thing, extra)
        for turn in range(len(_VERBS))
        for place, (thing, extra) in enumerate(_THINGS.items())
    )


def _tool(verb: str, thing: str, extra: tuple[str, str]) -> Tool:
    words, (name, kind) = thing.replace("_", " "), extra
    properties: JsonObject = {f"{thing}_id": {"type": "string"}, name: {"type": kind}}
    parameters: JsonObject = {"type": "object", "properties": properties, "required": [f"{thing}_id"]}
    article = "an" if words[0] in "aeiou" else "a"
    return Tool(f"{verb}_{thing}", f"{verb.capitalize()} {article} {words}.", parameters)
