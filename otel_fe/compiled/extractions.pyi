from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

SOURCES: str

_Any = TypeVar("_Any")
_Metrics = TypeVar("_Metrics")

class Counter:
    def __init__(
        self, names: Iterable[str], causes: Mapping[str, str], latency_limit_ns: int, memory_limit: int
    ) -> None: ...
    def find(self, span: object) -> Any: ...
    def learn(self, span: object, series: object) -> None: ...

def counted(
    spans: Iterable[_Any], word: str, metrics_of: Callable[[Any], _Metrics], is_counted: Callable[[str], bool]
) -> list[tuple[_Metrics, list[_Any]]]: ...
