"""`otel_fe.extraction`: an extraction declared in the code, as a decorator or as a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from otel_fe.instrument.block_pairing import Entered, place
from otel_fe.instrument.descriptors import NotWrappedError, function_in, remade
from otel_fe.instrument.extraction import Extraction, begin_block, current_extraction
from otel_fe.instrument.inert import INERT, InertExtraction
from otel_fe.instrument.spec import Spec
from otel_fe.instrument.wrapping import wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from otel_fe.instrument.block_pairing import Place

    Function = TypeVar("Function", bound=Callable[..., Any])


class DeclaredExtraction:
    """An extraction that a function or a block declares; made by `extraction`.

    One instance may decorate many functions, and be entered by many threads and tasks at once; each exit ends the
    extraction of its own `with` statement, also in another context than it began in.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._entered: Entered[Extraction | InertExtraction] = Entered()

    def __call__(self, function: Function) -> Function:
        """Decorate a callable of any kind, or a descriptor that holds one: each call of it is an extraction.

        Raises:
            TypeError: The object is a class, or cannot be called.
        """
        known, inner = self._spec, function_in(function)
        name = f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', '')}".strip(".")
        spec = Spec(known.feature_set, known.library, name, known.batch_size, known.features)
        try:
            return remade(function, lambda found: wrap(found, spec))  # type: ignore[no-any-return]
        except NotWrappedError as refusal:
            raise TypeError(f"otel_fe.extraction cannot decorate {function!r}: {refusal}") from None

    def __reduce__(self) -> tuple[type[DeclaredExtraction], tuple[Spec]]:
        # For pickle, copy and scikit-learn's `clone` of objects that hold one: what runs stays behind.
        return DeclaredExtraction, (self._spec,)

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

    As a decorator, with or without arguments, on a function, method, coroutine function, generator or async generator, or on
    any other callable object; above or below `classmethod`, `staticmethod`, `property` and `functools.cached_property`.
    Or as a block: `with otel_fe.extraction("user_profile") as running:`, also `async with`. In a block, `running` has
    `cache_hit()`, `cache_miss()`, `fail(error)` and `span`.

    Args:
        feature_set: Which features: becomes part of the span's name and a dimension of the metrics, so keep to few.
        library: The library that computes them, as a dimension.
        batch_size: Entities per call, where that is fixed.
        features: Features per entity.

    Raises:
        TypeError: An argument has another type, or what is to be decorated is a class or cannot be called.
    """
    if not isinstance(feature_set, str) and (callable(feature_set) or hasattr(feature_set, "__get__")):
        return DeclaredExtraction(Spec("", library, "", batch_size, features))(feature_set)
    for name, value in (("feature_set", feature_set), ("library", library)):
        if not isinstance(value, str):
            raise TypeError(f"otel_fe.extraction: {name} is {value!r}; use a str")
    for name, count in (("batch_size", batch_size), ("features", features)):
        if count is not None and not hasattr(count, "__index__"):
            raise TypeError(f"otel_fe.extraction: {name} is {count!r}; use an int or None")
    return DeclaredExtraction(Spec(feature_set, library, "", batch_size, features))
