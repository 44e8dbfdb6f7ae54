"""Names of the log event of a step of the autopilot, and of the gauges by which a store marks steps and sizes.

The table in the documentation is generated from this file.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from otel_fe.semconv import Attribute, attribute

EVENT: Final = "feature_extraction.autopilot"
"""Name of the log event of a step. Its body says what was done and why."""
ATTRIBUTES: Final[list[Attribute]] = []
_attribute = partial(attribute, namespace=EVENT, among=ATTRIBUTES)

RESOURCE: Final = _attribute("resource", "string", "", "Name of the pool or the cache.")
FROM: Final = _attribute("from", "int", "", "Its size before the step.")
TO: Final = _attribute("to", "int", "", "The size that was tried.")
OUTCOME: Final = _attribute(
    "outcome",
    "string",
    "",
    "`proposed` in a dry run, `tried`, `kept`, `reverted`, `abandoned`, `refused` or `restored`.",
)
REASON: Final = _attribute("reason", "string", "", "Why, in a sentence.")
PREDICTED: Final = _attribute("predicted", "double", "ms", "Predicted difference; of a cache, in hits of 100 look-ups.")
MEASURED: Final = _attribute("measured", "double", "ms", "Measured difference, likewise.")
LOW: Final = _attribute("measured.low", "double", "ms", "Of its 95 % interval.")
HIGH: Final = _attribute("measured.high", "double", "ms", "Likewise.")
UNIT: Final = _attribute("unit", "string", "", "Of the differences: `ms` or `points`.")
TIME: Final = _attribute("time", "double", "s", "Unix time of the step.")

DETAIL: Final = {
    "outcome": OUTCOME,
    "reason": REASON,
    "predicted": PREDICTED,
    "measured": MEASURED,
    "low": LOW,
    "high": HIGH,
    "unit": UNIT,
}
"""The details of a step's mark in the store, by the attribute that each is read from."""

STEP: Final = "feature_extraction.autopilot.step"
"""Name of a gauge: the size that the last steps led to, with these attributes. The store marks each step by it."""
CACHE_MAX_SIZE: Final = "feature_extraction.cache.max_size"
"""Name of a gauge: the most entries that a bounded cache of `OTEL_FE_CACHES` holds."""
CACHE_NAME: Final = "cache"
"""Label of a cache."""
