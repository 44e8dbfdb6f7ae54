from collections.abc import Callable, Iterable
from typing import Any

SOURCES: str

class Finder:
    def __init__(
        self,
        names: Iterable[str],
        fallbacks: Iterable[str] | None = None,
        find_by_key: Callable[[tuple[Any, ...]], tuple[Any, bool]] | None = None,
    ) -> None: ...
    def find(self, span: object) -> Any: ...
    def learn(self, span: object, series: object) -> None: ...
    def clear(self) -> None: ...

def remembered_bytes() -> int: ...
