SOURCES: str

def scan(
    payload: bytes, table: bytes, root: int, span: int, identified: bool
) -> tuple[int, list[int], list[tuple[int, int, tuple[tuple[int, int, int, int], ...]]], bool] | None: ...
