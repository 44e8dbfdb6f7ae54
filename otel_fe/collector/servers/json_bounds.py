"""A bound on the number of objects and values in a JSON body, checked before parsing it."""

from __future__ import annotations

from typing import Final

from otel_fe.collector.refusals import TooManyValuesError

_MOST_OBJECTS: Final = 250_000
"""Objects and lists: a second of CPU, and 50 MB, at the most. A request of 10 000 spans with ten attributes each has 220 000."""
_MOST_VALUES: Final = 2_000_000
"""Members of all of them, as commas: numbers in `bucketCounts` are many, and cost little each."""


def check_values(body: bytes) -> None:
    """Refuse a body with too many values.

    Braces and commas inside strings count too: telling them apart would cost as much as reading.

    Raises:
        TooManyValuesError: The body has too many objects or values.
    """
    objects = body.count(b"{") + body.count(b"[")
    values = body.count(b",")
    if objects > _MOST_OBJECTS or values > _MOST_VALUES:
        raise TooManyValuesError(
            f"the request has {objects} objects and lists and {values + 1} values; at most {_MOST_OBJECTS} and {_MOST_VALUES} are "
            "read: send smaller batches, or protobuf"
        )
