"""The alternatives, as each sets itself up inside the measured process before the service is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Tracer

    Extract = Callable[[int], Any]
    AsyncExtract = Callable[[int], Awaitable[Any]]

FEATURE_SET = "user_profile"
SPAN_NAME = f"feature_extraction {FEATURE_SET}"
SLOW_S = 0.1
BASELINE_RATIO = 0.05


def attributes(number: int, _before: object = None) -> dict[str, Any]:
    """Return what otel_fe would measure on this path; made up: measuring costs stock nothing."""
    return {
        "feature_extraction.feature_set": FEATURE_SET,
        "code.function.name": "tests.bench.workload.Service.extract",
        "feature_extraction.cache.hit": True,
        "feature_extraction.cache.lookups": 1,
        "feature_extraction.cache.hits": 1,
        "feature_extraction.cache.time": 0.000_05 + number * 1e-9,
        "feature_extraction.pool.wait_time": 0.000_01 + number * 1e-9,
        "feature_extraction.pool.name": "redis",
        "feature_extraction.pool.in_use": 1,
        "feature_extraction.pool.size": 8,
        "feature_extraction.cpu.time": 0.000_1 + number * 1e-9,
        "feature_extraction.cpu.utilization": 0.7,
        "feature_extraction.memory.usage": 80_000_000 + number,
        "feature_extraction.memory.growth": number,
    }


@dataclass(frozen=True, slots=True)
class ByHand:
    """The span that an author writes around an extraction."""

    open_span: Callable[[str], AbstractContextManager[Any]]
    start: Callable[[], Any] = lambda: None
    """Measures before the extraction."""
    finish: Callable[[int, Any], dict[str, Any]] = attributes
    """Takes the extraction's number and what `start` returned; returns the span's attributes."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to observe the service."""

    name: str
    meaning: str
    set_up: Callable[[str], ByHand | None]
    """Takes the OTLP endpoint; returns the span to write by hand, if any."""
    exports: bool = False
    """Spans arrive at the receiver."""
    samples: bool = False
    """Only slow, failed and a share of the healthy traces arrive."""
    launcher: bool = False
    """Started by `opentelemetry-instrument`, which sets everything up."""


def wrap(by_hand: ByHand | None, extract: Extract) -> Extract:
    """Return `extract` with the span that its author would write around it."""
    if by_hand is None:
        return extract
    open_span, start, finish = by_hand.open_span, by_hand.start, by_hand.finish

    @wraps(extract)
    def observed(number: int) -> Any:
        with open_span(SPAN_NAME) as span:
            before = start()
            result = extract(number)
            span.set_attributes(finish(number, before))
            return result

    return observed


def wrap_async(by_hand: ByHand | None, extract: AsyncExtract) -> AsyncExtract:
    """Return the coroutine function `extract` with the span that its author would write around it."""
    if by_hand is None:
        return extract
    open_span, start, finish = by_hand.open_span, by_hand.start, by_hand.finish

    @wraps(extract)
    async def observed(number: int) -> Any:
        with open_span(SPAN_NAME) as span:
            before = start()
            result = await extract(number)
            span.set_attributes(finish(number, before))
            return result

    return observed


def flush() -> None:
    """Export everything that is finished, in whichever providers are in force."""
    from opentelemetry import metrics, trace

    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        force_flush = getattr(provider, "force_flush", None)
        if force_flush is not None and force_flush() is False:
            raise RuntimeError(f"{type(provider).__name__}.force_flush timed out")


def _instrument_libraries() -> None:
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    RedisInstrumentor().instrument()
    SQLAlchemyInstrumentor().instrument()


def _batch(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True))


def _bare(_endpoint: str) -> None:
    return None


def _noop(_endpoint: str) -> None:
    _instrument_libraries()


def _stock_tracer(endpoint: str) -> Tracer:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(_batch(endpoint))
    trace.set_tracer_provider(provider)
    _instrument_libraries()
    return trace.get_tracer("bench")


def _stock(endpoint: str) -> ByHand:
    return ByHand(_stock_tracer(endpoint).start_as_current_span)


def _psutil(endpoint: str) -> ByHand:
    import psutil

    tracer = _stock_tracer(endpoint)
    process = psutil.Process()

    def start() -> tuple[float, int]:
        cpu = process.cpu_times()
        return cpu.user + cpu.system, process.memory_info().rss

    def finish(number: int, before: tuple[float, int]) -> dict[str, Any]:
        cpu_s, rss = start()
        measured = attributes(number)
        measured["feature_extraction.cpu.time"] = cpu_s - before[0]
        measured["feature_extraction.memory.usage"] = rss
        measured["feature_extraction.memory.growth"] = rss - before[1]
        return measured

    return ByHand(tracer.start_as_current_span, start, finish)


def _logfire(endpoint: str) -> ByHand:
    import logfire

    logfire.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        scrubbing=False,
        sampling=logfire.SamplingOptions.level_or_duration(duration_threshold=SLOW_S, background_rate=BASELINE_RATIO),
        additional_span_processors=[_batch(endpoint)],
    )
    logfire.instrument_redis()
    logfire.instrument_sqlalchemy()
    return ByHand(logfire.span)


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("bare", "the service alone", _bare),
        Variant("noop", "Redis and SQLAlchemy instrumentation without an SDK", _noop),
        Variant("stock", "SDK span, the same attributes, both instrumentations, OTLP", _stock, exports=True),
        Variant("psutil", "stock, and psutil at both ends of each extraction", _psutil, exports=True),
        Variant("logfire", "Logfire with its tail sampling, OTLP", _logfire, exports=True, samples=True),
        Variant(
            "otel_fe",
            "opentelemetry-instrument with otel_fe, everything on, metrics every second",
            _bare,
            exports=True,
            samples=True,
            launcher=True,
        ),
    )
}
