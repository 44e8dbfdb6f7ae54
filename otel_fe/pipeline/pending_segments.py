"""Stores the bytes of pending spans in segments, which are compressed with Zstandard if it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe import compiled
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    Compress = Callable[[memoryview], bytes | None]
    Decompress = Callable[[bytes], bytes]

SEGMENT_BYTES: Final = 32 * 1024
"""Large enough that spans of many requests are compressed together; small enough that reading one of its traces costs little."""
REST_NS: Final = 2 * NS_PER_S
"""How long a full segment stays uncompressed. Errors and slow roots, which sample a trace, mostly come before."""
_LEVEL: Final = -1
"""On spans, higher levels of Zstandard take longer and save hardly more."""


def pending_segments() -> Any:
    """Return a new `Segments` of the compiled backend."""
    compress, decompress = _codec()
    return compiled.backend.Segments(compress, decompress, REST_NS, SEGMENT_BYTES)  # type: ignore[union-attr]


def _codec() -> tuple[Compress | None, Decompress | None]:
    try:
        import zstandard  # noqa: PLC0415 it comes with the extra `collector`; replay works without it
    except ImportError:
        return None, None
    compressor, decompressor = zstandard.ZstdCompressor(level=_LEVEL), zstandard.ZstdDecompressor()

    def compress(segment: memoryview) -> bytes | None:
        try:
            return compressor.compress(segment)
        except (MemoryError, zstandard.ZstdError):
            return None  # nothing is lost: without the memory for it, a segment stays as it is

    return compress, decompressor.decompress
