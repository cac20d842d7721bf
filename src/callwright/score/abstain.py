"""Does the gold row call, and what did the model do -> the call-or-not verdicts, and whether it asks what is missing.

The first two are needed together: a model that always calls has a perfect recall, one that never calls a perfect
specificity. The third tells a question from a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from callwright.data.similar import words
from callwright.score.calls import shown
from callwright.types import Ending, Reply, Verdict

CALLED = "called_when_due"
ABSTAINED = "abstained_when_due"
ASKED = "asked_when_missing"

_ASKS = re.compile(r"\?|\b(?:tell me|give me|provide|need|specify|let me know)\b", re.IGNORECASE)


def called_when_due(expects_calls: bool, reply: Reply) -> Verdict:
    """Recall of calling: 1 where calls are due and at least one readable call came, whatever its name.

    None where no call is due. A broken call is an attempt, not a call: no program could have run it.

    >>> called_when_due(True, Reply("Sure!")).value
    0.0
    """
    if not expects_calls:
        return Verdict(CALLED, None)
    if reply.calls:
        return Verdict(CALLED, 1.0)
    return Verdict(CALLED, 0.0, unreadable(reply) or "no call, but one was due")


def abstained_when_due(expects_calls: bool, reply: Reply) -> Verdict:
    """Specificity: 1 where no call is due, none came, nothing is broken and the reply ended by itself.

    None where calls are due. Output that could not be read, or that never ended, is not credited as restraint.

    >>> abstained_when_due(False, Reply("Rome is in Italy.")).value
    1.0
    >>> abstained_when_due(False, Reply("{{{", ending=Ending.LENGTH)).value
    0.0
    """
    if expects_calls:
        return Verdict(ABSTAINED, None)
    why = unreadable(reply)
    if reply.calls:
        why = f"no call was due, got {reply.calls[0].name} {shown(reply.calls[0].arguments)}"
    return Verdict(ABSTAINED, 0.0 if why else 1.0, why)


def asked_when_missing(missing: Collection[str], reply: Reply) -> Verdict:
    """1 where a required value is missing, no call came, and the text asks for it by one of the words `missing`.

    Asking is a question mark or a plain phrase ("please tell me"). None where nothing is known to be missing.

    >>> asked_when_missing({"city"}, Reply("Which city do you mean?")).value
    1.0
    >>> asked_when_missing({"city"}, Reply("I can't do that.")).why
    'does not ask for the city'
    """
    if not missing:
        return Verdict(ASKED, None)
    abstained = abstained_when_due(False, reply)
    if not abstained.value:
        return Verdict(ASKED, 0.0, abstained.why)
    asks = _ASKS.search(reply.text) and set(missing) & set(words(reply.text))
    return Verdict(ASKED, 1.0) if asks else Verdict(ASKED, 0.0, f"does not ask for the {' '.join(sorted(missing))}")


def unreadable(reply: Reply) -> str:
    """Why a reply cannot count as whole and readable, or "" when it can.

    >>> unreadable(Reply("", ending=Ending.LENGTH))
    'did not stop: cut at the token limit'
    """
    if reply.broken:
        return f"broken call: {reply.broken[0].reason}"
    if reply.ending is Ending.LENGTH:
        return "did not stop: cut at the token limit"
    if reply.ending is Ending.ERROR:
        return "the engine reported an error"
    return ""
