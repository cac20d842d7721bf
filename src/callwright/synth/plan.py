"""Quotas -> the category of each row, shuffled the same way for the same seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields

from callwright.errors import ToolError, did_you_mean


@dataclass(frozen=True, slots=True)
class Plan:
    """Shares of the categories; what they leave is 'single': one request, one call.

    parallel: several calls at once. no_call: no tool is due. missing: a required value is not said, a question is due.
    clarify: as missing, then the value and the call. nested: a result's id is used in the next call.
    multi_turn: two or three requests with their results. chain: five to ten of them.
    """

    parallel: float = 0.16
    no_call: float = 0.17
    missing: float = 0.10
    clarify: float = 0.0
    nested: float = 0.0
    multi_turn: float = 0.0
    chain: float = 0.0

    @classmethod
    def of(cls, shares: Mapping[str, float]) -> Plan:
        """From shares by name; a name that is not given has none.

        Raises ToolError for an unknown name, a share outside 0 to 1, or more than 1 in all.
        """
        names = [field.name for field in fields(cls)]
        shares = {name: share for name, share in shares.items() if name != "single"}
        for name, share in shares.items():
            if name not in names:
                raise ToolError(f"no category '{name}'{did_you_mean(name, names)}; 'single' is what the others leave")
            if not 0 <= share <= 1:
                raise ToolError(f"the share of '{name}' is {share}; give a number from 0 to 1")
        plan = cls(**{**dict.fromkeys(names, 0.0), **shares})
        if plan.single < 0:
            raise ToolError(f"the shares add up to {1 - plan.single:g}; they may not pass 1")
        return plan

    @property
    def single(self) -> float:
        """The share that is left."""
        given: float = sum(getattr(self, field.name) for field in fields(self))
        return round(1 - given, 9)


def categories(count: int, rng: random.Random, plan: Plan) -> list[str]:
    """`count` category names in the plan's shares; rounding goes to 'single'.

    >>> sorted(categories(10, random.Random(0), Plan(0.2, 0.2, 0.1)))
    ['missing', 'no_call', 'no_call', 'parallel', 'parallel', 'single', 'single', 'single', 'single', 'single']
    """
    names = [field.name for field in fields(plan) for _ in range(round(count * getattr(plan, field.name)))][:count]
    names += ["single"] * (count - len(names))
    rng.shuffle(names)
    return names
