"""The error for a condition that is refused, with a valid alternative."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.errors import ConfigurationError
from otel_fe.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable


class OttlSyntaxError(ConfigurationError):
    """A condition that cannot be read, or that uses what is not supported here.

    Attributes:
        message: What was found, and what would be right.
        column: Where, in characters from 1, counted from the start of the condition.
    """

    def __init__(self, text: str, column: int, message: str) -> None:
        super().__init__(f"column {column}", text, message)
        self.message = message
        self.column = column


class RefusalError(Exception):
    """An error that no other reading of the text can avoid; the parser turns it into `OttlSyntaxError`.

    Attributes:
        offset: Where, in characters from 0.
        message: What was found, and what would be right.
    """

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message


class MismatchError(RefusalError):
    """A token that does not fit; another reading of the text may fit it."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` with the known name that is most like `name`, or nothing."""
    by_case = {candidate.casefold(): candidate for candidate in known}
    close = nearest(name.casefold(), by_case, 0.7)
    return f"; did you mean {by_case[close]}?" if close else ""
