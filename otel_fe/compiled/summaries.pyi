from collections.abc import Callable, Iterable, Mapping
from typing import Any

SOURCES: str

class Summarizer:
    def __init__(
        self,
        names: Iterable[str],
        times: Mapping[str, str],
        derived: Iterable[str],
        bottleneck: str,
        service: str,
        word: str,
        kind: Callable[..., Any],
    ) -> None: ...
    def __call__(self, spans: Iterable[object]) -> tuple[int, int, str, str, bool, bool, tuple[Any, ...]] | None: ...
