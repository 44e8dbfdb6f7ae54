"""The description of the calls of a library's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = tuple[Any, ...]
Named = dict[str, Any]
Counts = tuple[int | None, int | None]
"""Entities of a call and features per entity; None where it is not known."""


def _nothing(_args: Arguments, _kwargs: Named, _result: Any) -> Counts:
    return None, None


@dataclass(frozen=True, slots=True)
class CallKind:
    """The description of the calls of one method. None of the functions may look at a feature's value, copy data or compute."""

    library: str
    """Name of its package."""
    feature_set: Callable[[Arguments, Named], str]
    """From the call's arguments to the name of an extraction, of which there must be few."""
    step: Callable[[Arguments, Named, Any], str] | None = None
    """From its arguments, and the subject of the call around it, to the name of a child span; None for the feature set."""
    counts: Callable[[Arguments, Named, Any], Counts] = _nothing
    """From its arguments and its result, None where it failed, to what it worked on."""
    applies: Callable[[Arguments, Named], bool] | None = None
    """Whether a call is one at all; None for all."""
