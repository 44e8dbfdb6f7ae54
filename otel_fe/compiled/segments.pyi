from collections.abc import Callable

SOURCES: str

class Segments:
    def __init__(
        self,
        compress: Callable[[memoryview], bytes | None] | None,
        decompress: Callable[[bytes], bytes] | None,
        rest_ns: int,
        capacity: int,
    ) -> None: ...
