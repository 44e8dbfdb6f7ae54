"""Recorded traffic: files of OTLP trace requests, as protobuf or JSON, plain, gzipped or with zstd.

What is read: one request as protobuf; many, each behind its length in four bytes, as the Collector's `file` exporter writes with
`format: proto`; one request as JSON; many, one a line, as that exporter writes by default; and many with zstd, each behind its
length, as it writes either format with `compression: zstd`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_fe.errors import ConfigurationError, MissingExtraError
from otel_fe.wire.decode import Decoder
from otel_fe.wire.json import to_protobuf
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_fe.wire.batch import Batch

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_LENGTH_BYTES: Final = 4
_WANTED: Final = "use OTLP traces: protobuf, or JSON with one request a line; gzip or zstd may be around it"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One recorded request."""

    where: str
    """File, and line or number, for messages."""
    batch: Batch


def requests(path: str) -> Iterator[RecordedRequest]:
    """Yield the requests in a file, in its order.

    Raises:
        ConfigurationError: The file holds something else; the message says where.
        OSError: The file cannot be read.
    """
    decoder = Decoder()
    for where, payload in _payloads(path, _unpacked(path)):
        try:
            yield RecordedRequest(where, decoder.decode(payload))
        except WireError as error:
            raise ConfigurationError(where, _start_of(payload), f"{_WANTED} ({error})") from None


def _unpacked(path: str) -> bytes:
    return _decompressed(path, Path(path).read_bytes())


def _decompressed(where: str, content: bytes) -> bytes:
    """Decompress a file or a request, as its first bytes indicate."""
    if content.startswith(_GZIP):
        try:
            return gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ConfigurationError(where, "gzip", f"{_WANTED} (its gzip is damaged: {error})") from None
    return _without_zstd(where, content) if content.startswith(_ZSTD) else content


def _without_zstd(where: str, content: bytes) -> bytes:
    try:
        import zstandard  # noqa: PLC0415 an extra
    except ImportError:
        raise MissingExtraError("reading recordings with zstd", "collector") from None
    parts: list[bytes] = []
    why: object = ""
    while content and not why:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            parts.append(frame.decompress(content))
        except zstandard.ZstdError as error:
            why = error
        else:
            why = "" if frame.eof else "it ends too early"
            content = frame.unused_data
    if why:
        raise ConfigurationError(where, "zstd", f"{_WANTED} (its zstd is damaged: {why})")
    return b"".join(parts)


def _payloads(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each request as protobuf, with its position."""
    if content.lstrip()[:1] in (b"{", b"["):
        yield from _from_json(path, content)
    elif framed := _framed(content):
        for number, message in enumerate(framed, 1):
            where = f"{path}, request {number}"
            payload = _decompressed(where, message)
            if payload is not message and payload[:1] == b"{":
                yield from _from_json(where, payload)
            else:
                yield where, payload
    elif content:
        yield path, content


def _from_json(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    documents = [(f"{path}:{n}", line) for n, line in enumerate(content.splitlines(), 1) if line.strip()]
    if not _is_json(documents[0][1]):
        documents = [(path, content)]  # one document over many lines
    for where, document in documents:
        try:
            yield where, to_protobuf("traces", document)
        except WireError as error:
            raise ConfigurationError(where, _start_of(document), f"{_WANTED} ({error})") from None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _framed(content: bytes) -> list[bytes]:
    """Return the messages behind their lengths; none where the lengths do not lead to the end of the content."""
    found = []
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + _LENGTH_BYTES], "big")
        at += _LENGTH_BYTES
        if not length or at + length > len(content):
            return []
        found.append(content[at : at + length])
        at += length
    return found


def _start_of(content: bytes) -> str:
    text = content[:40].decode("utf-8", "replace")
    return text if text.isprintable() and "\ufffd" not in text else f"{len(content)} bytes"
