"""A scored row -> rewards that can be checked, each from the row's verdicts: what reinforcement learning is paid by."""

from __future__ import annotations

from callwright.score.abstain import ABSTAINED, unreadable
from callwright.score.run import ARGUMENTS, NAMES, SCHEMA, RowScore


def rewards(row: RowScore) -> dict[str, float | None]:
    """Each reward in [0, 1], None where it does not apply: `name` and `arguments` where calls are due, and `abstention`
    where none is.

    - format: the reply ended by itself, nothing in it is broken, and its calls fit the tools' schemas.
    - name: the same names as the gold calls, each as often, so that a call too many is paid nothing.
    - arguments: the share of arguments that are right, over paired and missing calls.
    - abstention: no call came, and the reply is whole.
    """
    fits = row.verdict(SCHEMA).value != 0
    return {
        "format": float(fits and not unreadable(row.reply)),
        "name": row.verdict(NAMES).value,
        "arguments": row.verdict(ARGUMENTS).value,
        "abstention": row.verdict(ABSTAINED).value,
    }
