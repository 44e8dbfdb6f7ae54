"""The shipped OpenSLO file is the same as the requirements that the pipeline counts by."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from otel_fe import semconv
from otel_fe.config.openslo import default_slos
from otel_fe.config.openslo_metrics import SLO_NAMES
from otel_fe.config.settings import Settings
from otel_fe.model.measurements import Measurements
from otel_fe.model.slo import EventCounts
from otel_fe.pipeline.engine import Engine
from otel_fe.pipeline.extraction_series import SLO_NAMES as COUNTED_NAMES
from otel_fe.pipeline.requirement_slos import REQUIREMENTS
from otel_fe.requirements import LATENCY_LIMIT_NS, MEMORY_LIMIT_BYTES
from otel_fe.sdk.metric_points import Collection
from otel_fe.testing import FakeClock

SLOS = default_slos()


def test_names_objectives_and_strictness_are_equal():
    """The documents have the requirements' names, objectives and strictness, in the same order."""
    assert [(slo.name, slo.objective, slo.strict) for slo in SLOS] == [
        (requirement.name, Fraction(*requirement.objective), requirement.strict) for requirement in REQUIREMENTS
    ]
    assert SLO_NAMES == COUNTED_NAMES == tuple(slo.name for slo in SLOS)


def test_limits_are_equal():
    """Below 100 ms and below 1 GB, and neither at it."""
    limits = {slo.name: slo.indicator.limit for slo in SLOS if slo.indicator.limit}
    assert limits["latency"].value * 10**9 == LATENCY_LIMIT_NS
    assert limits["memory"].value == MEMORY_LIMIT_BYTES
    assert all(limit.strict for limit in limits.values())


_EXTRACTIONS = st.lists(
    st.tuples(
        st.sampled_from([0, 99_999_999, 100_000_000, 100_000_001, 10**9]),
        st.sampled_from(["", "ValueError"]),
        st.sampled_from([-1, 0, 999_999_999, 10**9, 10**9 + 1]),
        st.integers(0, 2),
        st.integers(0, 2),
    ),
    max_size=12,
)


@given(_EXTRACTIONS)
def test_what_the_file_counts_is_what_the_requirements_say(extractions):
    """Single extractions and exported counters have as many good and bad events, and the same verdict."""
    ended = [_figures(*one) for one in extractions]
    counters = _counters(ended)
    for slo, requirement in zip(SLOS, REQUIREMENTS, strict=True):
        verdicts = [requirement.good(figures) for figures in ended]
        part, total = (_sum(counters, one) for one in (slo.indicator.part, slo.indicator.total))
        counts = EventCounts(slo.indicator.bad(part, total), total)
        assert counts == EventCounts(verdicts.count(False), len(verdicts) - verdicts.count(None))
        assert slo.met(counts) == requirement.met(counts.total - counts.bad, counts.total)


def _figures(duration, error, growth, hits, misses):
    figures = Measurements()
    figures.duration_ns, figures.error_type, figures.memory_growth_bytes = duration, error, growth
    figures.cache_hits, figures.cache_lookups = hits, hits + misses
    return figures


def _counters(ended):
    engine = Engine(Settings(), FakeClock(), lambda _: 0, lambda *_: "")
    for figures in ended:
        engine.derive(figures, None, 0, 0)
    engine.settle()
    return Collection.take(engine, 0, 1, {}).counters


def _sum(counters, selection):
    assert selection.metric == semconv.SLO_EVENTS
    return sum(
        value
        for labels, value in counters[selection.metric].items()
        if dict(selection.attributes).items() <= dict(labels).items()
    )
