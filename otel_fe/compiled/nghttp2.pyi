from collections.abc import Callable

SOURCES: str

def use_library(address_of: Callable[[str], int]) -> None: ...
