from collections.abc import Callable, Iterable, Sequence
from typing import Any

from otel_fe.compiled.segments import Segments
from otel_fe.compiled.spans import Head

SOURCES: str

class Waiting:
    def __init__(
        self,
        words: Iterable[tuple[Any, ...]],
        kind: type[Head],
        asked: Callable[[int, Any], Any],
        told: Callable[[str], tuple[int | None, bool]],
        decided: Callable[[tuple[Any, ...]], Any],
        final: Callable[[tuple[Any, ...]], Any],
        final_bits: int,
        rooted: bool,
        pools: Iterable[tuple[bool, int, Callable[[int], int], Callable[[int, int], None]]],
        competing: Callable[[tuple[Any, ...], int], bool],
        segments: Segments,
    ) -> None: ...
    def receive(
        self,
        traces: object,
        remembered: Any,
        now_ns: int,
        time_ns: int,
        limit: int,
        room: int,
        make_room: Callable[[], object],
        drop: Callable[[tuple[Any, ...]], object],
        followed: list[Any],
        kept: list[Any],
    ) -> None: ...
    def add_objects(
        self,
        sums: object,
        spans: list[Any],
        answers: Sequence[Any],
        arrived_ns: int,
        root_received_ns: int,
        room: int,
        make_room: Callable[[], object],
    ) -> None: ...
    def settle(self, trace_id: int, remembered: Any, time_ns: int) -> tuple[list[Any], Any, bytes] | None: ...
    def decide_due(
        self,
        arrived_until_ns: int,
        rooted_until_ns: int,
        remembered: Any,
        record: Callable[[bytes], None],
        now_ns: int,
        time_ns: int,
        trigger: int,
        sampled: list[Any],
        others: list[int],
    ) -> None: ...
    def decide_oldest(
        self,
        remembered: Any,
        record: Callable[[bytes], None],
        now_ns: int,
        time_ns: int,
        trigger: int,
        sampled: list[Any],
        others: list[int],
    ) -> None: ...
    def due(self, arrived_until_ns: int, rooted_until_ns: int) -> list[tuple[tuple[Any, ...], bool]]: ...
    def take(self, trace_id: int, keeps: bool) -> list[Any]: ...
    def row(self, trace_id: int) -> tuple[Any, ...] | None: ...
    def ids(self) -> list[int]: ...
    def held(self, trace_id: int) -> list[Any]: ...
    @property
    def pending(self) -> tuple[int, int]: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def oldest_ns(self) -> int | None: ...
    @property
    def root_received_ns(self) -> int | None: ...
    @property
    def longest(self) -> int: ...
