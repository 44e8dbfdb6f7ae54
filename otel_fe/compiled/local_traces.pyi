from typing import Any

SOURCES: str
LocalTrace: type[Any]

def use_traces(outcomes: tuple[int, ...], sweep_every: int) -> None: ...
