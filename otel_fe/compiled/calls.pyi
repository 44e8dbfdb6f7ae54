from typing import Any

SOURCES: str

class Call:
    signal: Any
    since_s: float
    @property
    def headers(self) -> list[tuple[bytes, bytes]]: ...
    def values(self, name: bytes) -> list[bytes]: ...
    def message(self) -> tuple[bool, bytes] | None: ...
