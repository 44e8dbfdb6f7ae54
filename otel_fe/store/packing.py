"""Compression of payloads: small ones by zlib, primed with the texts that nearly every trace has, long ones by Zstandard.

A trace of three spans is 2 kB, too short to learn from. The texts are names only, never values, and are kept in the file
itself: a file is read with the texts that it was written with, whichever version reads it.

On long payloads Zstandard takes a quarter of zlib's time, and less space. It belongs to the extra `collector`: without it, zlib is
used. What is packed begins with the magic number of its format.
"""

from __future__ import annotations

import struct
import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from otel_fe import semconv
from otel_fe.errors import needs_extra

if TYPE_CHECKING:
    import sqlite3

_LENGTH: Final = struct.Struct("<I")
_KEY: Final = "texts"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
"""The magic number of Zstandard; zlib's streams begin with 0x78."""
_LEVEL: Final = 1
"""On spans, higher levels of Zstandard take longer and save hardly more."""
_COMMON: Final = """telemetry.sdk.language python telemetry.sdk.name opentelemetry telemetry.sdk.version telemetry.auto.version
service.name service.version service.namespace service.instance.id deployment.environment.name host.name host.arch
process.pid process.runtime.name cpython process.runtime.version os.type linux exception exception.type exception.stacktrace
exception.escaped Traceback (most recent call last):
  File "site-packages http.request.method http.response.status_code http.route url.path server.address server.port
network.peer.address network.peer.port net.peer.name net.peer.port net.transport ip_tcp opentelemetry.instrumentation.redis
opentelemetry.instrumentation.sqlalchemy db.operation db.statement SELECT ? FROM db.redis.database_index db.redis.args_length
db.redis.pipeline_length db.system redis postgresql sqlite db.name GET MGET connect SELECT ot=th:0 ot=th:
{"trace_id":"","time_unix_nano":,"trigger":"whole","outcome":"kept by , weight 1","sampled":true,"dropped":false,"policy":"
","weight":,"spans":,"duration_ns":,"votes":[{"policy":"","vote":"sampled","saw":"{"policy":"","vote":"not sampled","saw":" ms <  ms
"""


class Packing:
    """Packs and unpacks with one set of texts.

    Args:
        texts: What payloads are expected to hold, the most common last.
    """

    def __init__(self, texts: bytes) -> None:
        self._texts = texts

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Packing | None:
        """Return that of a file; None where it has none yet."""
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (_KEY,)).fetchone()
        return None if row is None else cls(bytes(row[0]))

    @classmethod
    def begin(cls, connection: sqlite3.Connection) -> Packing:
        """Return that of a file, which is given the texts of this version where it has none."""
        texts = (_COMMON + "\n".join(attribute.name for attribute in semconv.ATTRIBUTES)).encode()
        connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (_KEY, texts))
        return cls.of(connection) or cls(texts)

    def unpack_trace(self, packed: bytes | None) -> tuple[bytes, bytes]:
        """Return a decision record and spans as files had them before version 3, together.

        Raises:
            zlib.error: They are damaged.
        """
        data = self.unpack(packed)
        if not data:
            return b"", b""
        end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        return data[_LENGTH.size : end], data[end:]

    def pack(self, data: bytes, *, fast: bool = False) -> bytes | None:
        """Return compressed data; None for empty data. `fast` takes a sixth of the time, and is meant for long data."""
        if not data:
            return None
        if fast and self._compressor is not None:
            return bytes(self._compressor.compress(data))
        packer = zlib.compressobj(level=1 if fast else 6, zdict=self._texts)
        return packer.compress(data) + packer.flush()

    def unpack(self, packed: bytes | None) -> bytes:
        """Return data as it was.

        Raises:
            zlib.error: It is damaged.
            MissingExtraError: It needs Zstandard, which is not installed.
        """
        if packed is None:
            return b""
        if packed.startswith(_ZSTD):
            return _unpack_zstd(packed)
        unpacker = zlib.decompressobj(zdict=self._texts)
        return unpacker.decompress(packed) + unpacker.flush()

    @cached_property
    def _compressor(self) -> Any:
        try:
            import zstandard  # noqa: PLC0415 an extra
        except ImportError:
            return None
        return zstandard.ZstdCompressor(level=_LEVEL)


def _unpack_zstd(packed: bytes) -> bytes:
    with needs_extra("reading the spans of this store", "collector"):
        import zstandard  # noqa: PLC0415 an extra
    try:
        return zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError as error:
        raise zlib.error(str(error)) from None
