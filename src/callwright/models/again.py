"""Tensors that cost less to compute again than to keep: a layer whose backward pass wants one saves what it is of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

_NAME = "_callwright_again"


class Maker:
    """Computes a tensor once more when the first of its users wants it, and keeps it until the last has had it."""

    def __init__(self, make: Callable[..., Tensor]) -> None:
        self._make = make
        self._made: Tensor | None = None
        self._users = self._waiting = 0

    def used(self) -> None:
        """One more layer will want it."""
        self._users += 1
        self._waiting += 1

    def get(self, inputs: Sequence[Tensor]) -> Tensor:
        """The tensor, once for every user; a second backward pass begins anew."""
        made = self._make(*inputs) if self._made is None else self._made
        self._waiting -= 1
        self._made = made if self._waiting else None
        self._waiting = self._waiting or self._users
        return made


@dataclass(frozen=True)
class Again:
    """What a tensor is made of, and what makes it."""

    inputs: tuple[Tensor, ...]
    maker: Maker


def can_be_made(tensor: Tensor, make: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """The tensor, with how to have it again. inputs: tensors that something else keeps anyway."""
    setattr(tensor, _NAME, Again(tuple(one.detach() for one in inputs), Maker(make)))
    return tensor


def again_of(tensor: Tensor) -> Again | None:
    """How to have it again, for one more user; None where it must be kept."""
    found: Again | None = getattr(tensor, _NAME, None)
    if found is not None:
        found.maker.used()
    return found
