"""Programs: a policy's conditions on one span as steps that `compiled` takes on the span's bytes, without objects.

A step compares a part of the span with a literal, and says where to go if that holds and if it does not: to a later step or to an
answer. So `and`, `or` and `not` need nothing of their own, and no more is compared than in Python. A step that C cannot decide for
a span, such as one on a list, leaves the whole span to Python: a program answers as its policy does, or not at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from otel_fe.model.re2 import compile_re2

if TYPE_CHECKING:
    from collections.abc import Callable

NO_MATCH: Final = -1
MOST_STEPS: Final = 64
"""Of a program; Python's answers are remembered, so that it is faster for longer ones."""
_REPLACEMENT: Final = "\ufffd"
_INT64: Final = 1 << 63

Reads: TypeAlias = Literal[
    "attribute", "name", "kind", "status", "start", "end", "elapsed", "lasted", "root", "fact", "unknown"
]
"""The part of a span. `elapsed` is a difference of ints, `lasted` one of times; `fact` is known of its resource and scope."""
Comparator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "is", "starts", "ends", "contains", "matches"]
"""Those of OTTL, and five of texts only; `matches` calls a regular expression, for texts that differ from those seen before."""
Search: TypeAlias = "Callable[[str], object | None]"
"""Returns None where a regular expression is not found in a text."""


_PATTERN: Final = re.compile(
    r"(\^|(?:\.\*)?)"
    r"((?:[A-Za-z0-9 _/:,;=@#%&<>\"'~!-]|\\[.\\/$^()\[\]{}+*?|-])*)"
    r"(\$|(?:\.\*)?)"
)
"""A regular expression without anything but a text and where that must be."""
_ANCHORED: Final[dict[tuple[bool, bool], Comparator]] = {
    (True, True): "is",
    (True, False): "starts",
    (False, True): "ends",
    (False, False): "contains",
}


class Step(NamedTuple):
    """A comparison. Any of its texts has passed `is_plain`, any int `fits`."""

    reads: Reads
    then: int
    """The number of the next step if it holds; negative for an answer: `NO_MATCH`, or that of `answer`."""
    otherwise: int
    """The same if it does not hold."""
    comparator: Comparator = "=="
    literal: str | float | Search | None = None
    """For `matches` the search."""
    key: str | int = 0
    """The name of the attribute, or the number of the fact."""
    lenient: bool = False
    """Whether an absent text is no match; otherwise it is left to Python, which raises an error."""


class Program(NamedTuple):
    """The steps, the first first; each refers to later ones only."""

    steps: tuple[Step, ...]
    facts: tuple[Callable[[Any], bool | None], ...] = ()
    """Given what has the resource and the scope of a span, return whether something holds; None if that is an error."""


def answer(number: int) -> int:
    """Return the target of a step that ends with a match, with the number that it will be recorded with."""
    return -2 - number


def is_plain(text: str) -> bool:
    """Return whether equal bytes are all that makes an attribute's text equal to this one.

    Unreadable bytes are read as replacement characters, so that one that has such a character has several encodings.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return _REPLACEMENT not in text


def fits(number: int) -> bool:
    """Return whether 64 bits hold an int."""
    return -_INT64 <= number < _INT64


def plain_pattern(pattern: str) -> tuple[Comparator, str] | None:
    """Return how a regular expression compares a text, and with what, if it is that simple."""
    found = _PATTERN.fullmatch(pattern)
    if found is None:
        return None
    return _ANCHORED[found[1] == "^", found[3] == "$"], re.sub(r"\\(.)", r"\1", found[2])


def pattern_comparison(pattern: str) -> tuple[Comparator, str | Search]:
    """Return how a regular expression compares a text, and with what.

    Raises:
        ValueError: It is none.
    """
    return plain_pattern(pattern) or ("matches", compile_re2(pattern).search)
