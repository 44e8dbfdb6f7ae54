"""`otel_fe.extraction`: an extraction declared in the code, as a decorator or as a block."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from otel_fe.instrument.extraction import Extraction, begin_block
from otel_fe.instrument.spec import Spec
from otel_fe.instrument.wrapping import wrap

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Function = TypeVar("Function", bound=Callable[..., Any])


class InertExtraction:
    """What a block gets while otel_fe is off: every call is accepted and has no effect."""

    def cache_hit(self, count: int = 1) -> None:
        """Do nothing."""

    def cache_miss(self, count: int = 1) -> None:
        """Do nothing."""

    def fail(self, error: BaseException) -> None:
        """Do nothing."""


INERT: Final = InertExtraction()
_MAX_ENTERED: Final = 1_000
"""Of one declaration that is entered by many at once: how many can be found again in another context."""


class DeclaredExtraction:
    """An extraction that a function or a block declares; made by `extraction`.

    One instance may decorate many functions, and be entered by many threads and tasks at once: what runs is kept in
    each one's context.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._running: ContextVar[tuple[Extraction | None, ...]] = ContextVar("otel_fe-declared", default=())
        self._entered: dict[int, Extraction] = {}
        """Those that are running, in whatever context: a server that streams a generator runs each step in another."""

    def __call__(self, function: Function) -> Function:
        """Decorate a function of any kind: each call of it is an extraction."""
        name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}".strip(".")
        spec = self._spec
        return wrap(  # type: ignore[return-value]
            function, Spec(spec.feature_set, spec.library, name, spec.batch_size, spec.features)
        )

    def __enter__(self) -> Extraction | InertExtraction:
        running = begin_block(self._spec)
        self._running.set((*self._running.get(), running))
        if running is None:
            return INERT
        if len(self._entered) < _MAX_ENTERED:
            self._entered[id(running)] = running
        return running

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stack = self._running.get()
        if stack:
            self._running.set(stack[:-1])
            running = stack[-1]
        else:
            running = self._entered_elsewhere()
        if running is not None:
            self._entered.pop(id(running), None)
            running.finish(error)

    def _entered_elsewhere(self) -> Extraction | None:
        """Return the one that is left in another context than it was entered in; of several none can be told to be it."""
        entered = [running for running in list(self._entered.values()) if not running.ended]
        return entered[0] if len(entered) == 1 else None

    async def __aenter__(self) -> Extraction | InertExtraction:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


@overload
def extraction(feature_set: Function, /) -> Function: ...
@overload
def extraction(
    feature_set: str = "", *, library: str = "", batch_size: int | None = None, features: int | None = None
) -> DeclaredExtraction: ...


def extraction(
    feature_set: Any = "", *, library: str = "", batch_size: int | None = None, features: int | None = None
) -> Any:
    """Declare a feature extraction.

    As a decorator, with or without arguments, on a function, method, coroutine function, generator or async generator;
    or as a block: `with otel_fe.extraction("user_profile") as running:`, also `async with`. In a block, `running` has
    `cache_hit()`, `cache_miss()` and `fail(error)`.

    Args:
        feature_set: Which features: becomes part of the span's name and a dimension of the metrics, so keep to few.
        library: The library that computes them, as a dimension.
        batch_size: Entities per call, where that is fixed.
        features: Features per entity.
    """
    if callable(feature_set):
        return DeclaredExtraction(Spec())(feature_set)
    return DeclaredExtraction(Spec(feature_set, library, "", batch_size, features))
