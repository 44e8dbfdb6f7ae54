"""The state of a page in its URL: the window, the group, and the selection in the heat map."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from otel_fe.errors import ConfigurationError
from otel_fe.store import Selection
from otel_fe.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

RANGES: Final = {
    "5m": 300,
    "15m": 900,
    "1h": 3_600,
    "6h": 21_600,
    "24h": 86_400,
    "7d": 604_800,
    "30d": 2_592_000,
}
"""Relative windows, in s."""
_NUMBER: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?")
_TRUTH: Final = {"": None, "yes": True, "no": False}
_LONGEST: Final = 300
"""Characters of a name."""
_LONGEST_MS: Final = 400 * 86_400_000
_COUNTED_NS: Final = 60 * NS_PER_S
"""Exact counts come by the minute: a window that begins within one would leave all of it out."""


@dataclass(frozen=True, slots=True)
class ViewAddress:
    """The part of a URL behind the question mark. Times are Unix ms, latencies ms; empty texts leave a filter out."""

    range: str = ""
    since: str = ""
    until: str = ""
    service: str = ""
    feature_set: str = ""
    t0: str = ""
    """Start of the selection, like the next three."""
    t1: str = ""
    low: str = ""
    high: str = ""
    cause: str = ""
    policy: str = ""
    error: str = ""
    """`yes` or `no`."""
    cache_hit: str = ""
    order: str = ""
    page: str = ""
    slo: str = ""
    hit_rate: str = ""
    """A what-if question; like the next three, it is parsed by the page that answers, which reports errors there."""
    pool: str = ""
    pool_size: str = ""
    processes: str = ""
    traffic: str = ""
    """Traffic on the page about capacity, as a multiple of today's."""
    span: str = ""
    """The selected span on a trace's page."""
    sort: str = ""
    """The column that a table is sorted by, as `sorting.sorted_rows` reads it."""
    q: str = ""
    """The search text."""
    fitted: tuple[int, int] | None = field(default=None, compare=False)
    """The window that fits the data, where the URL names none; no part of the URL, so that a page follows what comes."""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> ViewAddress:
        """Parse a query; unknown parameters are ignored.

        Raises:
            ConfigurationError: A value cannot be.
        """
        texts: dict[str, Any] = {one: query[one][:_LONGEST] for one in _parameters() if one in query}
        address = cls(**texts)
        for name in ("since", "until", "t0", "t1", "low", "high", "page"):
            value = getattr(address, name)
            if value and not _NUMBER.fullmatch(value):
                raise ConfigurationError(f"?{name}", value, "use a number")
        if address.since and address.until and abs(float(address.until) - float(address.since)) > _LONGEST_MS:
            raise ConfigurationError("?since", address.since, "use a window of at most 400 days")
        if address.range and address.range not in RANGES:
            raise ConfigurationError("?range", address.range, f"use one of {', '.join(RANGES)}")
        for name in ("error", "cache_hit"):
            if getattr(address, name) not in _TRUTH:
                raise ConfigurationError(f"?{name}", getattr(address, name), "use yes or no")
        if address.order not in ("", "newest", "oldest", "slowest", "fastest"):
            raise ConfigurationError("?order", address.order, "use newest, oldest, slowest or fastest")
        return address

    def with_(self, **changes: Any) -> ViewAddress:
        """Return another view."""
        texts: dict[str, Any] = {name: str(value) for name, value in changes.items()}
        return replace(self, **texts)

    def url(self, path: str, **changes: Any) -> str:
        """Return the URL of a view like this one with some things changed."""
        told = self.with_(**changes)
        pairs = [(one, getattr(told, one)) for one in _parameters() if getattr(told, one)]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def frame(self) -> ViewAddress:
        """Return the window and the group alone: what goes along from page to page."""
        return ViewAddress(self.range, self.since, self.until, self.service, self.feature_set, fitted=self.fitted)

    def fit(self, window: tuple[int, int]) -> ViewAddress:
        """Return this view with the window that fits the data, in Unix ns; the same view where the URL names a window."""
        return self if self.range or not self.relative else replace(self, fitted=window)

    @property
    def asks(self) -> bool:
        """Return whether the page answers a what-if question: then it does not update itself."""
        return bool(self.hit_rate or self.pool_size)

    @property
    def relative(self) -> bool:
        """Return whether the window moves on with the time."""
        return not (self.since and self.until)

    @property
    def length(self) -> str:
        """The relative window's name."""
        return self.range or "1h"

    @property
    def in_words(self) -> str:
        """The window as a sentence calls it."""
        return f"the last {self.length}" if self.relative and not self.fitted else "this window"

    def axis(self, window: tuple[int, int]) -> tuple[int, int]:
        """Return the part of a window that is drawn: not the start of a minute in which nothing was there yet."""
        return window if self.fitted is None else self.fitted

    def window(self, now_ns: int) -> tuple[int, int]:
        """Return the window, in Unix ns; it holds its beginning and not its end."""
        if self.fitted is not None and self.relative and not self.range:
            return self.fitted[0] // _COUNTED_NS * _COUNTED_NS, self.fitted[1]
        if self.since and self.until:
            since, until = round(float(self.since) * NS_PER_MS), round(float(self.until) * NS_PER_MS)
            return (since, until) if since < until else (until, since + NS_PER_MS)
        return now_ns - RANGES[self.length] * NS_PER_S, now_ns

    @property
    def selects(self) -> bool:
        """Return whether a part of the heat map, or a cause, is selected."""
        return any((self.t0, self.t1, self.low, self.high, self.cause, self.policy, self.error, self.cache_hit))

    def background(self, window: tuple[int, int]) -> Selection:
        """Return everything in a window, of the group."""
        since, until = window
        return Selection(since, until, self.service or None, self.feature_set or None)

    def selection(self, window: tuple[int, int]) -> Selection:
        """Return what is selected of it."""
        since, until = window
        return replace(
            self.background(window),
            since_ns=max(since, round(float(self.t0) * NS_PER_MS)) if self.t0 else since,
            until_ns=min(until, round(float(self.t1) * NS_PER_MS)) if self.t1 else until,
            min_duration_ns=round(float(self.low) * NS_PER_MS) if self.low else None,
            max_duration_ns=round(float(self.high) * NS_PER_MS) if self.high else None,
            cause=self.cause or None,
            policy=self.policy or None,
            error=_TRUTH[self.error],
            cache_hit=_TRUTH[self.cache_hit],
        )


@lru_cache(maxsize=1)
def _parameters() -> tuple[str, ...]:
    """Return the names of the parameters in a URL."""
    return tuple(one.name for one in fields(ViewAddress) if one.name != "fitted")
