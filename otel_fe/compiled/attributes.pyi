from collections.abc import Iterable
from typing import Any, TypeVar

SOURCES: str

_Any = TypeVar("_Any")

class Picker:
    def __init__(self, names: Iterable[str], kinds: str) -> None: ...
    def __call__(self, span: object) -> list[Any] | None: ...

def named(spans: Iterable[_Any], word: str) -> list[_Any]: ...
