"""The lines that the collector prints at its start and at its end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from otel_fe import semconv

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_fe.collector.accounts import Sample
    from otel_fe.config.collector import CollectorConfig

_PROTOCOLS: Final = {"grpc": "OTLP/gRPC", "http": "OTLP/HTTP"}
_STORED: Final = "stored"


def start_line(
    config: CollectorConfig, listening: Iterable[tuple[str, str, str]], pages: Sequence[str], restored: int
) -> str:
    """Return what listens where, and what it works for."""
    servers = [f"{_PROTOCOLS[protocol]} on {address}" for _, protocol, address in listening]
    text = (
        f"otel-fe collector ready: {', '.join([*servers, *pages])}; pipelines {', '.join(map(str, config.pipelines))}"
    )
    return f"{text}; {restored} spans pending from before" if restored else text


def stop_line(samples: Iterable[Sample], saved: int) -> str:
    """Return what became of all spans that were received."""
    sums: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for sample in samples:
        sums[sample.name] += int(sample.value)
        if sample.name == semconv.SPANS_DROPPED:
            dropped[dict(sample.labels)[semconv.REASON]] += int(sample.value)
    stored = dropped.pop(_STORED, 0)
    lost = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items()) if count)
    parts = [
        f"{sums[semconv.SPANS_SAMPLED]} sampled",
        f"{sums[semconv.SPANS_NOT_SAMPLED]} not sampled",
        f"{sum(dropped.values())} dropped" + (f" ({lost})" if lost else ""),
    ]
    parts += [f"{stored} on disk to be sent"] if stored else []
    parts += [f"{saved} on disk to be decided"] if saved else []
    left = sums[semconv.SPANS_QUEUED] + sums[semconv.SPANS_PENDING] - saved
    parts += [f"{left} lost on the way"] if left else []
    return f"otel-fe collector stopped: {sums[semconv.SPANS_RECEIVED]} spans received = {' + '.join(parts)}"
