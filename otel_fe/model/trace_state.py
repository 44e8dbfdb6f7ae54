"""The W3C `tracestate` of a span, as text: reading it, and writing a sampling threshold into it.

Source: W3C Trace Context, section 3.3; OpenTelemetry specification, "TraceState: Probability Sampling". What does not
follow the grammar is left unchanged; the caller that wanted to change it counts it.
"""

from __future__ import annotations

import functools
import re
from typing import Final, NamedTuple

from otel_fe.model import probability

_VENDOR: Final = "ot"
_MOST_MEMBERS: Final = 32
_KEY: Final = r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_MEMBER: Final = re.compile(rf"({_KEY})=([ -+\--<>-~]{{0,255}}[!-+\--<>-~])")
_FIELD: Final = re.compile(r"([a-z][a-z0-9]*):([A-Za-z0-9._\-]*)")
_MOST_OT: Final = 256
_LONGEST: Final = 1_024
"""Characters of a `tracestate` that are looked into, as in the Collector; twice what W3C wants passed on."""
_CACHED: Final = 1_024


class Sampling(NamedTuple):
    """The sampling entry of a `tracestate`."""

    threshold: int | None
    """From `th`; None without a valid one."""
    randomness: int | None
    """From `rv`; None without a valid one."""


NO_SAMPLING: Final = Sampling(None, None)


def members(text: str) -> tuple[tuple[str, str], ...] | None:
    """Return the entries of a `tracestate`, in order; None where it does not follow the grammar."""
    found: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip(" \t"):
            continue
        match = _MEMBER.fullmatch(part.strip(" \t"))
        if match is None or match[1] in found:
            return None
        found[match[1]] = match[2]
    return tuple(found.items()) if len(found) <= _MOST_MEMBERS else None


@functools.lru_cache(_CACHED)
def sampling(text: str) -> Sampling:
    """Return the sampling entries of a `tracestate`; none where it, or its `ot` entry, cannot be read."""
    entries = members(text) if f"{_VENDOR}=" in text and len(text) <= _LONGEST else None
    fields = _fields(dict(entries or ()).get(_VENDOR, ""))
    if fields is None:
        return NO_SAMPLING
    threshold = probability.decode(fields.get("th", ""))
    explicit = fields.get("rv", "")
    randomness = probability.decode(explicit) if len(explicit) == probability.HEX_DIGITS else None
    return Sampling(threshold, randomness)


@functools.lru_cache(_CACHED)
def stamped(text: str, threshold: int | None) -> str | None:
    """Return a `tracestate` with `th` raised to `threshold`, never lowered; everything else in it is kept.

    Args:
        text: As received; may be empty.
        threshold: Of 2**56; None where the probability is not known: `th` is then erased, since a wrong one
            would make sums of weights wrong.

    Returns:
        The new text, with the entry that was written first, as W3C wants it; the old one where nothing changes; None where
        that cannot be read, or has no room for another entry.
    """
    entries = members(text) if len(text) <= _LONGEST else None
    if entries is None:
        return None
    others = [(key, value) for key, value in entries if key != _VENDOR]
    own = dict(entries).get(_VENDOR, "")
    fields = _fields(own)
    if fields is None:
        return None
    before = probability.decode(fields.get("th", ""))
    if (before is None and threshold is None) or (before is not None and threshold is not None and threshold < before):
        return text
    fields.pop("th", None)
    first = {"rv": fields.pop("rv")} if "rv" in fields else {}
    if threshold is not None:
        first["th"] = probability.encode(threshold)
    entry = ";".join(f"{key}:{value}" for key, value in {**first, **fields}.items())
    written = [(_VENDOR, entry), *others] if entry else others
    if len(written) > _MOST_MEMBERS:
        return None
    return ",".join(f"{key}={value}" for key, value in written)


def _fields(entry: str) -> dict[str, str] | None:
    """Return the fields of an `ot` entry; None where it does not follow the grammar, or a known field makes no sense."""
    if not entry:
        return {}
    fields: dict[str, str] = {}
    for part in entry.split(";"):
        match = _FIELD.fullmatch(part)
        if match is None:
            return None
        fields[match[1]] = match[2]
    if len(entry) > _MOST_OT or ("th" in fields and probability.decode(fields["th"]) is None):
        return None
    explicit = fields.get("rv")
    if explicit is not None and (len(explicit) != probability.HEX_DIGITS or probability.decode(explicit) is None):
        return None
    return fields
