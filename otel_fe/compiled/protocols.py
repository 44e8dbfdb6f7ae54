"""The functions and classes of the compiled modules, typed. Each has a plain twin beside its user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_Any = TypeVar("_Any")
_Metrics = TypeVar("_Metrics")


class Backend(Protocol):
    """The compiled modules together: `modules.py`, which type checkers hold to this."""

    SOURCES: frozenset[str]
    """The digests of the sources that they were compiled from."""

    @property
    def Head(self) -> type[Any]:  # noqa: N802 it is a class
        """Its twin: wire/span.py."""
        ...

    @property
    def Picker(self) -> type[Any]:  # noqa: N802 it is a class
        """Its twin: pipeline/extractions.py."""
        ...

    @property
    def Finder(self) -> type[Any]:  # noqa: N802 it is a class
        """Its twin: pipeline/span_metrics/measure.py."""
        ...

    @property
    def Counter(self) -> type[Any]:  # noqa: N802 it is a class
        """Its twin: pipeline/received_metrics.py."""
        ...

    @property
    def Batch(self) -> type[Any]:  # noqa: N802 it is a class
        """Its twin: wire/batch.py."""
        ...

    @property
    def Spans(self) -> type[Any]:  # noqa: N802 it is a class
        """Its twin: a list of spans."""
        ...

    @property
    def Traces(self) -> type[Any]:  # noqa: N802 it is a class
        """Its twin: a list of traces."""
        ...

    @property
    def DecisionCache(self) -> type[Any]:  # noqa: N802 it is a class
        """Its twin: pipeline/decision_cache.py."""
        ...

    @property
    def Waiting(self) -> type[Any]:  # noqa: N802 it is a class
        """Its twin: pipeline/tail_sampler.py."""
        ...

    def batch_of(
        self,
        payload: bytes,
        resources: Any,
        scopes: Any,
        kind: type[Any],
        trace_kind: Callable[[int], object],
    ) -> Any:
        """Return the spans of a request by trace; None for an unusual request. Twin of `wire/decode.py`."""
        ...

    def counted(
        self, spans: Iterable[_Any], word: str, metrics_of: Callable[[Any], _Metrics], is_counted: Callable[[str], bool]
    ) -> list[tuple[_Metrics, list[_Any]]]:
        """Count extractions in their series; return those that are left to Python. Twin of `pipeline/received_metrics.py`."""
        ...

    def drawn(
        self, spans: Iterable[_Any], sources: Mapping[Any, Any], draw: Callable[[int], int]
    ) -> tuple[list[_Any], list[tuple[Any, int, int, _Any]]]:
        """Draw exemplars; return the spans left to Python, and what was drawn. Twin of `pipeline/span_metrics/connector.py`."""
        ...

    def record(self, spans: Iterable[Any], sources: Mapping[Any, Any], now_ns: int) -> list[Any]:
        """Count spans in their series; return those left to Python. Twin of `pipeline/span_metrics/connector.py`."""
        ...

    def runs(
        self, spans: Sequence[_Any], stamp: bytes | None, single: Callable[[_Any], bytes], most_bytes: int
    ) -> list[tuple[Any, Any, bytes, int]]:
        """Return spans as they leave, in messages of at most `most_bytes`. Twin of `wire/encode.py`."""
        ...

    def add(self, trace: object, spans: Sequence[object], now_ns: int) -> bool:
        """Add spans to the sums of a trace; return False where that is left to Python. Twin of `BufferedTrace.add`."""
        ...

    def hash_of(self, salted: int, trace_id: int) -> int:
        """Return the second random number of a trace. Twin of `model.randomness.plain_hash_of`."""
        ...

    def key_of(self, trace_id: int) -> int:
        """Return the key of a trace's decision. Twin of `pipeline.decision_cache.plain_key_of`."""
        ...

    def named(self, spans: Iterable[_Any], word: str) -> list[_Any]:
        """Return the spans of a name. Twin of `pipeline/extractions.py`."""
        ...

    def remembered_bytes(self) -> int:
        """Return how many bytes all finders and counters hold."""
        ...

    def scan(
        self,
        payload: bytes,
        table: bytes,
        root: int,
        span: int,
        identified: bool,  # noqa: FBT001 as in C
    ) -> tuple[int, list[int], list[tuple[int, int, tuple[tuple[int, int, int, int], ...]]], bool] | None:
        """Validate a request; return None for an unusual one. Twin of `wire.validation.scan`."""
        ...
