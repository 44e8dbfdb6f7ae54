"""Decompresses bodies up to a size; a larger one is refused before it is complete."""

from __future__ import annotations

import io
import mmap
import zlib
from typing import TYPE_CHECKING, Final

from otel_fe.collector.refusals import EncodingError, TooLargeError
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Callable

_GZIP: Final = 31
"""`wbits` of gzip's format; zlib's is 15."""
_ZLIB: Final = 15
_MOST_MEMBERS: Final = 64
"""Each costs a copy of what follows it."""
_GZIP_MAGIC: Final = b"\x1f\x8b"
_SNAPPY_FRAMES: Final = b"\xff\x06\x00\x00sNaPpY"
"""The beginning of snappy's framing format, by which the Collector tells it from its block format."""
_NO_ROOM: Final = ("write whole buffer", "output buffer")
"""In what cramjam says of a result that is larger than the room for it."""
ACCEPTED: Final = "gzip, deflate, zstd, snappy, x-snappy-framed, lz4, identity"
"""The encodings that are read, as a header has them."""
_ZSTD_WINDOW: Final = 8 << 20
"""The window that every decoder must support (RFC 8878, 3.1.1.1.2), and most encoders stay within."""


def check_encoding(encoding: str) -> None:
    """Refuse a `Content-Encoding` that is not read here.

    Several in a row are not, though HTTP allows them: each could grow a body a thousandfold, and no OTLP sender applies two.

    Args:
        encoding: The header's value; empty for none.

    Raises:
        EncodingError: The encoding is not one of `ACCEPTED`, or more than one.
    """
    if encoding.strip().lower() not in _UNPACKERS:
        wanted = "use gzip, deflate, zstd, snappy, lz4 or none"
        raise EncodingError(f"Content-Encoding {encoding[:40]!r} is not supported; {wanted}")


def unpacked(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """Return a body without its `Content-Encoding`.

    Args:
        body: As it came.
        encoding: The header's value; empty for none.
        most_bytes: It must not become larger than this.

    Raises:
        EncodingError: See `check_encoding`.
        TooLargeError: The body would become larger.
        WireError: The body is damaged.
    """
    check_encoding(encoding)
    body = _UNPACKERS[encoding.strip().lower()](body, most_bytes)
    if len(body) > most_bytes:
        raise TooLargeError(most_bytes)
    return body


def unpacked_message(message: bytes, most_bytes: int) -> bytes:
    """Return a gRPC message without its compression, which shows in its first bytes.

    gRPC's own decompression, which could be had instead, makes everything of a message before it looks at its size. No request of
    OTLP begins like gzip: its first byte would be a tag of a kind that does not exist. One could begin like zlib in theory.

    Raises:
        TooLargeError: The body would become larger.
        WireError: The body is damaged.
    """
    if message.startswith(_GZIP_MAGIC):
        return _gunzip(message, most_bytes)
    if message[:1] == b"\x78" and int.from_bytes(message[:2], "big") % 31 == 0:
        try:
            return _inflate(message, most_bytes)
        except WireError:
            return message
    return message


def unpacked_grpc(message: bytes, encoding: str, most_bytes: int) -> bytes:
    """Return a gRPC message that says it is compressed, without its compression.

    Args:
        message: As it came.
        encoding: The value of `grpc-encoding`; empty for none.
        most_bytes: It must not become larger than this.

    Raises:
        EncodingError: It is none of gzip, deflate, zstd and snappy.
        TooLargeError: It would become larger.
        WireError: It is damaged.
    """
    if encoding not in ("gzip", "deflate", "zstd", "snappy"):
        wanted = "use one of gzip, deflate, zstd and snappy"
        raise EncodingError(f"grpc-encoding {encoding[:40]!r} is not read here; {wanted}")
    return _UNPACKERS[encoding](message, most_bytes)


def _gunzip(body: bytes, most_bytes: int) -> bytes:
    return _zlib(body, most_bytes, _GZIP)


def _inflate(body: bytes, most_bytes: int) -> bytes:
    return _zlib(body, most_bytes, _ZLIB)


def _zlib(body: bytes, most_bytes: int, format_: int) -> bytes:
    """Unpack gzip's members, one after the other, or zlib's format."""
    parts: list[bytes] = []
    left = most_bytes
    while body:
        if len(parts) >= _MOST_MEMBERS:
            raise WireError(f"the compressed body has more than {_MOST_MEMBERS} parts")
        member = zlib.decompressobj(format_)
        try:
            part = member.decompress(body, left + 1)
        except zlib.error as error:
            raise WireError(f"the compressed body is damaged: {error}") from None
        left -= len(part)
        if left < 0:
            raise TooLargeError(most_bytes)
        if not member.eof:
            raise WireError("the compressed body is truncated")
        parts.append(part)
        body = member.unused_data
    return b"".join(parts)


def _unzstd(body: bytes, most_bytes: int) -> bytes:
    try:
        import zstandard  # noqa: PLC0415 an extra
    except ImportError:
        raise EncodingError("the encoding 'zstd' needs the package zstandard, which is not installed here") from None
    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    try:
        with decoder.stream_reader(io.BytesIO(body), read_across_frames=True) as reader:
            unpacked_body = reader.read(most_bytes + 1)
    except zstandard.ZstdError as error:
        raise WireError(f"the compressed body is damaged: {error}") from None
    if len(unpacked_body) > most_bytes:
        raise TooLargeError(most_bytes)
    return bytes(unpacked_body)


def _unsnappy(body: bytes, most_bytes: int) -> bytes:
    if not body:
        return b""  # Go's framing writer writes nothing then, and its reader takes that
    framed = body.startswith(_SNAPPY_FRAMES)
    return _by_cramjam("snappy", "decompress_into" if framed else "decompress_raw_into", body, most_bytes)


def _unlz4(body: bytes, most_bytes: int) -> bytes:
    return _by_cramjam("lz4", "decompress_into", body, most_bytes)


def _by_cramjam(encoding: str, function: str, body: bytes, most_bytes: int) -> bytes:
    try:
        import cramjam  # noqa: PLC0415 an extra
    except ImportError:
        raise EncodingError(
            f"the encoding {encoding!r} needs the package cramjam, which is not installed here"
        ) from None
    with mmap.mmap(-1, most_bytes + 1) as room:  # of which only what is written to takes memory
        try:
            size = getattr(getattr(cramjam, encoding), function)(body, room)
        except cramjam.DecompressionError as error:
            if any(said in str(error) for said in _NO_ROOM):
                raise TooLargeError(most_bytes) from None
            raise WireError(f"the compressed body is damaged: {error}") from None
        if size > most_bytes:
            raise TooLargeError(most_bytes)
        return room[:size]


def _as_it_is(body: bytes, most_bytes: int) -> bytes:  # noqa: ARG001 like the others
    return body


_UNPACKERS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "zlib": _inflate,  # what the Collector calls the same
    "zstd": _unzstd,
    "snappy": _unsnappy,
    "x-snappy-framed": _unsnappy,
    "lz4": _unlz4,
    "identity": _as_it_is,
    "": _as_it_is,
}
