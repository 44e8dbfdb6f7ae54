from typing import Any

SOURCES: str
SpanCore: type[Any]
CurrentCore: type[Any]

def use_spans(
    lean_span: type[Any], unset: Any, logger: Any, span_bytes: int, attribute_bytes: int, short_text: int
) -> None: ...
def use_tracers(
    lean_tracer: type[Any],
    current_span: type[Any],
    api: tuple[Any, ...],
    context: tuple[Any, ...],
    span_key: str,
    ids: tuple[Any, ...],
    known_flags: int,
) -> None: ...
def methods(internal: Any) -> tuple[Any, Any]: ...
