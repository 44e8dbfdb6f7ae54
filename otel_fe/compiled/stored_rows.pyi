from collections.abc import Callable, Sequence
from typing import Any

SOURCES: str

class RowBuilder:
    def __init__(self, edges_ns: Sequence[int], slot_ns: int, causes: Sequence[str], usual: int) -> None: ...
    def trace(
        self,
        trace: object,
        key: int,
        now_s: int,
        known: dict[str, int],
        number: Callable[[str], int],
        logs: bytes | None,
    ) -> tuple[Any, ...]: ...
    def extraction(
        self,
        extraction: object,
        place: tuple[int, int],
        weight: float | None,
        policy: int,
        known: dict[str, int],
        number: Callable[[str], int],
    ) -> tuple[Any, ...]: ...

def joined(bodies: list[tuple[bytes, Sequence[tuple[bytes, bytes, bytes]]]]) -> bytes: ...
