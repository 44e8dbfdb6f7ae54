"""Hamilton's driver for asyncio, in a module that Hamilton does not import by default."""

from __future__ import annotations

import functools
import sys

from otel_fe.instrument.libraries.hamilton import ASYNCHRONOUS
from otel_fe.instrument.libraries.hooked import HookedMethods
from otel_fe.instrument.libraries.observed_function import observed


def patches() -> list[HookedMethods]:
    """Return what to replace in it, now that it is imported."""
    driver = sys.modules["hamilton.async_driver"].AsyncDriver
    return [HookedMethods(driver, ("execute",), functools.partial(observed, kind=ASYNCHRONOUS, method=True))]
