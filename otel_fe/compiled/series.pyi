from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

SOURCES: str

_Any = TypeVar("_Any")

def record(
    spans: Iterable[Any], sources: Mapping[Any, Any], now_ns: int, weigh: Callable[[str], int | None] | None = None
) -> list[Any]: ...
def drawn(
    spans: Iterable[_Any], sources: Mapping[Any, Any], draw: Callable[[int], int]
) -> tuple[list[_Any], list[tuple[Any, int, int, _Any]]]: ...
