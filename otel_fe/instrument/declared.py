"""`otel_fe.extraction`: an extraction declared in the code, as a decorator or as a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from otel_fe.instrument.entered import Entered, place
from otel_fe.instrument.extraction import Extraction, begin_block, current_extraction
from otel_fe.instrument.spec import Spec
from otel_fe.instrument.wrapping import wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from otel_fe.instrument.entered import Place

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


class DeclaredExtraction:
    """An extraction that a function or a block declares; made by `extraction`.

    One instance may decorate many functions, and be entered by many threads and tasks at once; each exit ends the
    extraction of its own `with` statement, also in another context than it began in.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._entered: Entered[Extraction | InertExtraction] = Entered()

    def __call__(self, function: Function) -> Function:
        """Decorate a function of any kind: each call of it is an extraction."""
        name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}".strip(".")
        spec = self._spec
        return wrap(  # type: ignore[return-value]
            function, Spec(spec.feature_set, spec.library, name, spec.batch_size, spec.features)
        )

    def __enter__(self) -> Extraction | InertExtraction:
        return self._enter(place())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit(place(), error)

    # Plain functions that return a coroutine: they are called, not awaited, by the frame of the `async with`.
    def __aenter__(self) -> Coroutine[Any, Any, Extraction | InertExtraction]:
        return self._aenter(place())

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Coroutine[Any, Any, None]:
        return self._aexit(place(), error)

    def _enter(self, at: Place) -> Extraction | InertExtraction:
        running = begin_block(self._spec) or INERT
        forgotten = self._entered.enter(at, running)
        if isinstance(forgotten, Extraction):
            forgotten.abandon()
        return running

    def _exit(self, at: Place, error: BaseException | None) -> None:
        running = self._entered.leave(at, current_extraction())
        if isinstance(running, Extraction):
            running.finish(error)

    async def _aenter(self, at: Place) -> Extraction | InertExtraction:
        return self._enter(at)

    async def _aexit(self, at: Place, error: BaseException | None) -> None:
        self._exit(at, error)


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
