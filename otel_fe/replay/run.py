"""Replays recorded traffic through the engine, with the timing of the recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.config.policies import TailSampling
from otel_fe.errors import ConfigurationError
from otel_fe.pipeline.tail_sampler import TailSampler
from otel_fe.replay.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_fe.config.collector import CollectorConfig
    from otel_fe.model.decision import Decision
    from otel_fe.model.span import SpanView
    from otel_fe.pipeline.policies.evaluator import Evaluator
    from otel_fe.replay.recorded import RecordedRequest

_TICK_NS: Final = 1_000_000_000


class RecordedClock:
    """The time of the recording."""

    def __init__(self) -> None:
        self.now_ns = 0

    def time_ns(self) -> int:
        """Return when the request that is being replayed arrived."""
        return self.now_ns

    def monotonic_ns(self) -> int:
        """Return the same: a recording's time never goes back."""
        return self.now_ns


class Replay:
    """One policy over recorded traffic.

    Args:
        settings: Of a `tail_sampling` processor.
        keep_early: Keep traces whose vote is final at once, as our engine does; False waits as the Collector does.
    """

    def __init__(self, settings: TailSampling, *, keep_early: bool = True) -> None:
        self.ledger = Ledger()
        self._longest = settings.decision_wait_ns // _TICK_NS + 3
        """After so many ticks everything that was pending has been decided."""
        self._clock = RecordedClock()
        self._sampler = TailSampler(settings, self._clock, _let_go, keep_early=keep_early, records=self.ledger)

    @property
    def policies(self) -> Sequence[Evaluator]:
        """The policies, in the order of their votes."""
        return self._sampler.sampler.policies

    @property
    def late_spans(self) -> int:
        """Spans that came after their trace was decided."""
        return self._sampler.counters.late

    def run(self, requests: Iterable[RecordedRequest]) -> None:
        """Replay requests. One is taken to have arrived when the last of its spans had ended."""
        for request in requests:
            traces = request.batch.traces
            ends = [span.end_ns for trace in traces for span in trace.spans]
            self._pass_time(max(ends, default=0))
            for trace in traces:
                self._sampler.receive(trace.trace_id, trace.spans, trace.size_bytes, self._clock.now_ns)
        self._pass_time(self._clock.now_ns + self._longest * _TICK_NS)
        self._sampler.close()

    def _pass_time(self, until_ns: int) -> None:
        """Let the recording's time pass, second by second; a gap longer than any wait only as far as that matters."""
        clock = self._clock
        if not clock.now_ns:
            clock.now_ns = until_ns
        ticks = min((until_ns - clock.now_ns) // _TICK_NS, self._longest)
        for _ in range(ticks):
            clock.now_ns += _TICK_NS
            self._sampler.tick()
        clock.now_ns = max(clock.now_ns, until_ns)


def _let_go(_trace_id: int, _spans: Sequence[SpanView], _decision: Decision) -> str:
    return ""


def tail_sampling_of(config: CollectorConfig, file: str, name: str = "") -> TailSampling:
    """Return the settings of a file's `tail_sampling` processor, by its id where there are several.

    Raises:
        ConfigurationError: The file has no such processor, or several and none was named.
    """
    found = {str(key): value for key, value in config.processors.items() if isinstance(value, TailSampling)}
    if name in found:
        return found[name]
    if name or len(found) != 1:
        known = ", ".join(found) or "none"
        raise ConfigurationError(
            file, name or "tail_sampling", f"name one processor of the file with --processor: {known}"
        )
    return next(iter(found.values()))
