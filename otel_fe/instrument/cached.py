"""Functions under `functools.lru_cache` or `cachetools.cached`, named in `OTEL_FE_CACHES`, whose look-ups count.

A miss runs the user's function within the very call, in the same thread. So the cache is rebuilt, with the same parameters, round a
probe that notes this: exact under any concurrency, and for a function that calls itself. An `lru_cache` that already holds
values cannot be rebuilt without losing them and is refused; name it so that it is replaced when its module is imported.
"""

from __future__ import annotations

import functools
import sys
import threading
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from otel_fe import faults
from otel_fe.instrument.descriptors import NotWrappedError
from otel_fe.instrument.extraction import current_extraction
from otel_fe.instrument.targets import NamedTargets
from otel_fe.instrument.transparent_wrapper import stand_in, underneath
from otel_fe.instrument.wrapping import is_wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.instrument.extraction import Extraction
    from otel_fe.instrument.sampled_caches import SampledCaches


class CachedTargets(NamedTargets):
    """The functions of `OTEL_FE_CACHES`."""

    def __init__(self, value: str, sampled: SampledCaches | None = None) -> None:
        super().__init__("OTEL_FE_CACHES", value, lambda function, target: _counted(function, str(target), sampled))


def _counted(function: Any, name: str = "", sampled: SampledCaches | None = None) -> Any:
    again = functools.partial(_counted, name=name, sampled=sampled)
    if is_wrapped(function):  # an extraction as well: that stays outside
        return function._otel_fe_again(again(underneath(function)))
    missed = threading.local()
    outside = cached = _rebuilt(function, _probe(getattr(function, "__wrapped__", None), missed))
    if sampled is not None:
        cached = sampled.adopt(name, cached, missed)

    def counted(*args: Any, **kwargs: Any) -> Any:
        running = current_extraction()
        if running is None:
            return cached(*args, **kwargs)
        outer = getattr(missed, "at_ns", 0)
        missed.at_ns = 0
        start = perf_counter_ns()
        try:
            result = cached(*args, **kwargs)
            _count(running, start, missed.at_ns)
            return result
        finally:
            missed.at_ns = outer

    return stand_in(outside, counted, again)


def _probe(function: Any, missed: threading.local) -> Callable[..., Any]:
    """Return the user's function, noting when it is run: then the look-up that runs it was a miss."""
    if not callable(function):
        raise NotWrappedError("it is not under functools.lru_cache or cachetools.cached")

    @functools.wraps(function)
    def probe(*args: Any, **kwargs: Any) -> Any:
        at_ns = perf_counter_ns()
        try:
            return function(*args, **kwargs)
        finally:
            missed.at_ns = at_ns  # after the call: it may have looked up, and missed, itself

    return probe


def _rebuilt(function: Any, probe: Callable[..., Any]) -> Callable[..., Any]:
    if isinstance(function, functools._lru_cache_wrapper):
        if function.cache_info().currsize:
            raise NotWrappedError("its cache holds values already; name it before its module is imported")
        parameters: Any = function.cache_parameters()
        again: Callable[..., Any] = functools.lru_cache(parameters["maxsize"], parameters["typed"])(probe)
        return again
    cachetools: Any = sys.modules.get("cachetools")
    if cachetools is not None and hasattr(function, "cache") and hasattr(function, "cache_key"):
        options = {"key": function.cache_key, "lock": function.cache_lock}
        if hasattr(function, "cache_info"):
            options["info"] = True
        rebuilt: Callable[..., Any] = cachetools.cached(function.cache, **options)(probe)
        return rebuilt
    raise NotWrappedError("it is not under functools.lru_cache or cachetools.cached")


def _count(running: Extraction, start: int, missed_at: int) -> None:
    """Count one look-up; of a miss, only the time until the user's function ran was looking up."""
    try:
        if missed_at:
            running.looked_up(0, 1, start, missed_at)
        else:
            running.looked_up(1, 0, start, perf_counter_ns())
    except Exception as fault:
        faults.record("cached.count", fault)
