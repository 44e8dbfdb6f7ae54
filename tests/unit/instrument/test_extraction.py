"""Extractions: what they measure, what they say, what they never do to the application."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import otel_fe
from otel_fe import faults
from otel_fe.config.settings import Settings
from otel_fe.instrument.spec import Spec
from otel_fe.instrument.wrapping import wrap
from otel_fe.monitoring import FeatureExtractionPerformanceMonitor
from tests.observed import Observed, instrumented
from tests.unit.instrument.test_configured import CONFIG

PREFIX = "feature_extraction."


def burn(seconds):
    """Use CPU time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_a_known_allocation_and_a_known_spin_are_seen_within_ten_percent(observed):
    """200 MB of memory that is touched, and 300 ms of CPU time; sleeping is neither.

    CPU is compared with the same thread's own clock: how long the machine took over it is not in it.
    """
    with otel_fe.extraction("x"):
        block = bytearray(200_000_000)
        for at in range(0, len(block), 4096):
            block[at] = 1
    with otel_fe.extraction("y"):
        began = time.thread_time()
        burn(0.3)
        spent = time.thread_time() - began
        time.sleep(0.2)
    del block
    memory, cpu = observed.extractions()
    assert memory.attributes[f"{PREFIX}memory.growth"] == pytest.approx(200_000_000, rel=0.1)
    assert memory.attributes[f"{PREFIX}memory.usage"] > 200_000_000
    assert spent >= 0.3
    assert cpu.attributes[f"{PREFIX}cpu.time"] == pytest.approx(spent, rel=0.1)
    lasted = (cpu.end_time - cpu.start_time) / 1e9
    assert lasted >= spent + 0.2
    assert cpu.attributes[f"{PREFIX}cpu.utilization"] == pytest.approx(
        cpu.attributes[f"{PREFIX}cpu.time"] / lasted, rel=0.001
    )


def test_the_attributes_are_those_of_the_data_contract(observed):
    """Each with its type and unit; what is not known is absent."""
    with otel_fe.extraction("x", library="sklearn", batch_size=32, features=12) as running:
        running.cache_hit(2)
        running.cache_miss()
    (span,) = observed.extractions()
    attributes = dict(span.attributes)
    assert span.name == "feature_extraction x"
    assert attributes.pop(f"{PREFIX}cpu.time") >= 0
    assert attributes.pop(f"{PREFIX}cpu.utilization") >= 0
    assert attributes.pop(f"{PREFIX}memory.usage") > 1_000_000
    assert isinstance(attributes.pop(f"{PREFIX}memory.growth"), int)
    assert attributes == {
        f"{PREFIX}feature_set": "x",
        f"{PREFIX}library": "sklearn",
        f"{PREFIX}batch.size": 32,
        f"{PREFIX}features": 12,
        f"{PREFIX}cache.hit": False,
        f"{PREFIX}cache.lookups": 3,
        f"{PREFIX}cache.hits": 2,
        f"{PREFIX}cache.time": 0.0,
        f"{PREFIX}sampling.policy": "baseline",
    }


def test_no_gpu_means_no_gpu_attributes(observed):
    """GPU attributes are absent if there is no GPU."""
    with otel_fe.extraction():
        pass
    assert not any("gpu" in name for name in observed.extractions()[0].attributes)


@pytest.mark.parametrize("asked", [True, False])
def test_messages_of_exceptions_are_recorded_only_if_asked_for(asked):
    """Only an exception's type and stack are recorded by default, as messages quote values."""
    with instrumented(exception_messages=asked) as observed:
        with pytest.raises(ValueError, match="secret"), otel_fe.extraction("x"):
            raise ValueError("".join(("sec", "ret")))
        (span,) = observed.extractions()
    assert span.attributes["error.type"] == "ValueError"
    assert ("secret" in span.to_json()) is asked
    assert span.events[0].name == "exception"


class Unprintable(Exception):
    """An error whose `__str__` raises, like a proxy of a closed connection."""

    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize("asked", [True, False])
def test_an_exception_without_a_text_is_counted_and_passes_on(asked):
    """The very exception reaches the caller, out of an extraction and of a span of the application's own."""
    error = Unprintable()
    with instrumented(exception_messages=asked) as observed:
        tracer = observed.traces.get_tracer("t")
        with pytest.raises(Unprintable) as caught, tracer.start_as_current_span("own"), otel_fe.extraction("x"):
            raise error
        assert caught.value is error
        assert observed.total("feature_extraction.duration") == 1
        spans = {span.name: span for span in observed.spans}
    assert spans["feature_extraction x"].attributes["error.type"].endswith("Unprintable")
    assert spans["own"].status.description == "Unprintable: <unprintable Unprintable object>"
    assert [event.name for event in spans["own"].events] == ["exception"]


def test_context_carries_an_extraction_to_threads(observed):
    """A thread that was given the context works for the extraction; one that was not does not."""
    with otel_fe.extraction("x"):
        context = contextvars.copy_context()
        threads = [
            threading.Thread(target=context.run, args=(lambda: otel_fe.current_extraction().cache_hit(),)),
            threading.Thread(target=lambda: seen.append(otel_fe.current_extraction())),
        ]
        seen = []
        for thread in threads:
            thread.start()
            thread.join()
    assert seen == [None]
    assert observed.extractions()[0].attributes[f"{PREFIX}cache.hits"] == 1


def test_many_threads_lose_no_look_up(observed):
    """Eight threads count into one extraction at once."""
    with otel_fe.extraction("x") as running:
        threads = [threading.Thread(target=lambda: [running.cache_hit() for _ in range(2_000)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert observed.extractions()[0].attributes[f"{PREFIX}cache.hits"] == 16_000


def test_one_declaration_serves_threads_and_tasks_at_once(observed):
    """The same object is entered by many, and decorates many."""
    declared = otel_fe.extraction("x")

    async def task():
        async with declared:
            await asyncio.sleep(0.001)

    async def main():
        await asyncio.gather(*(task() for _ in range(20)))

    asyncio.run(main())
    assert len(observed.extractions()) == 20
    assert declared(len)([1]) == 1
    assert otel_fe.extraction(lambda: 5)() == 5


def test_a_block_that_is_left_in_another_context_is_counted(observed):
    """A server that streams a generator runs each of its steps in a copy of the context, on any thread; CPU is absent then."""

    def rows():
        with otel_fe.extraction("stream"):
            yield 1
            yield 2

    generator, before = rows(), faults.counts()
    assert [contextvars.copy_context().run(next, generator, None) for _ in range(3)] == [1, 2, None]
    (span,) = observed.extractions()
    assert observed.total("feature_extraction.duration") == 1
    assert faults.counts() == before
    assert f"{PREFIX}cpu.time" not in span.attributes


def test_a_shared_declaration_that_is_left_in_another_context_ends_its_own_block(observed):
    """Each `with` statement ends what it began, in whatever order and context the generators are resumed."""
    declared = otel_fe.extraction("x")

    def rows(hits):
        with declared as running:
            running.cache_hit(hits)
            yield
            yield

    generators = {hits: rows(hits) for hits in (1, 2, 3, 4)}
    for generator in generators.values():
        contextvars.copy_context().run(next, generator)
    ended = []
    for hits in (3, 1, 4, 2):
        contextvars.copy_context().run(generators[hits].close)
        with declared:
            pass
        spans = observed.extractions()
        ended.append(
            next(s for s in spans[-2:] if f"{PREFIX}cache.hits" in s.attributes).attributes[f"{PREFIX}cache.hits"]
        )
    assert ended == [3, 1, 4, 2]
    assert observed.total("feature_extraction.duration") == 8
    assert len(declared._entered) == 0


def test_a_shared_declaration_on_exit_stacks_ends_the_block_of_its_task(observed):
    """An exit stack enters and exits from frames of its own: the context tells which block it is."""
    declared = otel_fe.extraction("x")

    async def task(number, turns):
        async with contextlib.AsyncExitStack() as stack:
            running = await stack.enter_async_context(declared)
            running.cache_hit(number)
            await turns[number].wait()
        assert running.ended

    async def main():
        turns = {number: asyncio.Event() for number in (1, 2, 3)}
        tasks = {number: asyncio.create_task(task(number, turns)) for number in turns}
        await asyncio.sleep(0)
        for number in (2, 1, 3):
            turns[number].set()
            await tasks[number]

    asyncio.run(main())
    assert [span.attributes[f"{PREFIX}cache.hits"] for span in observed.extractions()] == [2, 1, 3]


@pytest.mark.parametrize("on", [True, False], ids=["instrumented", "off"])
def test_blocks_and_monitors_leave_nothing_in_their_context(on):
    """A context keeps every variable that was ever set in it, so that a variable per block would leak with each call."""

    def use():
        with otel_fe.extraction("x"):
            pass
        monitor = FeatureExtractionPerformanceMonitor("x", history_size=1)
        monitor.start_extraction()
        monitor.end_extraction()

    def variables():
        use()
        before = len(contextvars.copy_context())
        for _ in range(100):
            use()
        return len(contextvars.copy_context()) - before

    with instrumented() if on else contextlib.nullcontext():
        assert contextvars.copy_context().run(variables) == 0


def test_switched_off_a_block_is_inert():
    """The code runs, its calls are accepted, and there is no extraction."""
    with otel_fe.extraction("x") as running:
        running.cache_hit()
        running.fail(ValueError())
        assert otel_fe.current_extraction() is None


@pytest.mark.alone
def test_slow_extractions_name_their_bottleneck(observed):
    """Sleeping, burning the CPU, calling; all break the latency SLO."""
    with otel_fe.extraction("sleeps"):
        time.sleep(0.12)
    with otel_fe.extraction("burns"):
        burn(0.12)
    with (
        trace.get_tracer("t", tracer_provider=observed.traces).start_as_current_span("root"),
        otel_fe.extraction("calls"),
    ):
        tracer = observed.traces.get_tracer("t")
        with tracer.start_as_current_span("GET", kind=trace.SpanKind.CLIENT):
            time.sleep(0.12)
    found = {span.name.split()[1]: span.attributes for span in observed.extractions()}
    # On a machine that gave it less than half of a core, that is what it mostly waited for.
    had_a_core = found["burns"][f"{PREFIX}cpu.utilization"] > 0.5
    assert {name: a[f"{PREFIX}bottleneck"] for name, a in found.items()} == {
        "sleeps": "sleep",
        "burns": "cpu" if had_a_core else "cpu_wait",
        "calls": "downstream",
    }
    assert all(a[f"{PREFIX}bottleneck.time"] > 0.06 for a in found.values())
    assert all(a[f"{PREFIX}slo.breached"] == ("latency",) for a in found.values())


HOOKS = {
    "extraction.begin": ("otel_fe.sdk.tracer", "LeanTracer", "start_span"),
    "extraction.finish": ("otel_fe.instrument.process", "ProcessPipeline", "derive"),
    "processor.on_start": ("otel_fe.pipeline.assembler", "Assembler", "started"),
    "processor.on_end": ("otel_fe.pipeline.assembler", "Assembler", "ended"),
    "metrics.collect": ("otel_fe.sdk.metric_points", "Collection", "metrics"),
    "export.settle": ("otel_fe.pipeline.counters", "Counters", "settle"),
}


@pytest.mark.parametrize("hook", HOOKS)
def test_a_fault_in_any_hook_disturbs_nothing_and_is_counted(hook, monkeypatch):
    """The application's results and exceptions are what they are without us."""
    import importlib

    module, owner, name = HOOKS[hook]

    def broken(*_args, **_kwargs):
        raise RuntimeError("ours")

    before = faults.counts().get(hook, 0)
    with instrumented() as observed:
        monkeypatch.setattr(getattr(importlib.import_module(module), owner), name, broken)
        work = wrap(lambda x: 10 // x, Spec("x"))
        assert work(5) == 2
        with pytest.raises(ZeroDivisionError):
            work(0)
        assert otel_fe.current_extraction() is None
        assert not trace.get_current_span().get_span_context().is_valid
        observed.traces.force_flush()
        observed.reader.get_metrics_data()
        monkeypatch.undo()
    assert faults.counts()[hook] > before


def test_a_head_sampler_leaves_metrics_exact_and_offers_no_exemplar():
    """Unrecorded extractions count; nothing leads to a trace that does not exist."""
    observed = Observed()
    observed.traces.sampler = ALWAYS_OFF
    instrumentor = otel_fe.FeatureExtractionInstrumentor()
    instrumentor.instrument(tracer_provider=observed.traces, meter_provider=observed.metrics, settings=Settings())
    try:
        for _ in range(70):
            with otel_fe.extraction("x"):
                pass
        points = observed.points("feature_extraction.duration")
        assert sum(point.count for point in points) == 70
        assert not any(point.exemplars for point in points)
        assert observed.spans == ()
    finally:
        instrumentor.uninstrument()


def test_every_exemplar_leads_to_a_span_that_was_exported():
    """Though four of five traces are dropped, none of the exemplars is of those."""
    with instrumented(baseline_ratio=0.2) as observed:
        for _ in range(500):
            with otel_fe.extraction("x"):
                pass
        exported = {span.context.span_id for span in observed.spans}
        (point,) = observed.points("feature_extraction.duration")
        assert point.exemplars
        assert {exemplar.span_id for exemplar in point.exemplars} <= exported
        assert 50 < len(exported) < 150
        assert point.count == 500
        assert 0.1 in point.explicit_bounds


def test_deltas_and_cumulative_values_side_by_side():
    """Each reader gets what it prefers, and both encode as OTLP; a delta begins where the last one ended."""
    delta = AggregationTemporality.DELTA
    readers = [InMemoryMetricReader(), InMemoryMetricReader(preferred_temporality={Counter: delta, Histogram: delta})]
    observed = Observed()
    observed.metrics = MeterProvider(readers, shutdown_on_exit=False)
    instrumentor = otel_fe.FeatureExtractionInstrumentor()
    instrumentor.instrument(tracer_provider=observed.traces, meter_provider=observed.metrics, settings=Settings())
    counts, starts = [], []
    try:
        for number in (3, 4):
            for _ in range(number):
                with otel_fe.extraction("x"):
                    pass
            for reader in readers:
                data = reader.get_metrics_data()
                assert encode_metrics(data).ByteSize() > 0
                observed.reader = type("Fixed", (), {"get_metrics_data": lambda _, data=data: data})()
                (point,) = observed.points("feature_extraction.duration")
                counts.append(point.count)
                starts.append((point.start_time_unix_nano, point.time_unix_nano))
    finally:
        instrumentor.uninstrument()
    assert counts == [3, 3, 7, 4]
    assert starts[0][0] == starts[2][0]
    assert starts[3][0] == starts[1][1]


def test_series_are_capped_and_the_rest_is_folded():
    """Past the cap there is one series for all the others, marked as OpenTelemetry marks it."""
    with instrumented(max_series=5) as observed:
        for number in range(20):
            with otel_fe.extraction(f"set{number}"):
                pass
        points = observed.points("feature_extraction.duration")
        (folded,) = [point for point in points if point.attributes.get("otel.metric.overflow")]
        assert len(points) == 5
        assert folded.count == 16
        assert observed.total("feature_extraction.slo.events", slo="latency", good=True) == 20


def test_instrument_uninstrument_instrument_is_clean():
    """After `uninstrument()`, extractions are not recorded; after the next `instrument()`, each is recorded once."""
    observed = Observed()
    instrumentor = otel_fe.FeatureExtractionInstrumentor()
    for _ in range(2):
        instrumentor.instrument(
            tracer_provider=observed.traces, meter_provider=observed.metrics, settings=Settings(baseline_ratio=1.0)
        )
        with otel_fe.extraction("x"):
            pass
        assert observed.total("feature_extraction.duration") == 1
        instrumentor.uninstrument()
        with otel_fe.extraction("off"):
            pass
    assert [span.name for span in observed.spans] == ["feature_extraction x"] * 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_FE_BASELINE_RATIO", "1.5"),
        ("OTEL_FE_MAX_SERIES", "0"),
        ("OTEL_FE_DECISION_WAIT_S", "soon"),
        ("OTEL_FE_PIPELINE", "elsewhere"),
        ("OTEL_FE_GPU", "maybe"),
        ("OTEL_FE_TARGET", "x:y"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name, value):
    """The variable, its value and what would be right."""
    from otel_fe.config.settings import read_settings

    with pytest.raises(otel_fe.ConfigurationError) as caught:
        read_settings({name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


def test_dropped_extractions_leave_no_garbage():
    """Extractions that are not sampled are freed by reference counting alone, without the garbage collector."""
    import gc

    with instrumented(baseline_ratio=0.0) as observed:
        for _ in range(100):
            with otel_fe.extraction("x"):
                pass
        observed.traces.force_flush()
        gc.collect()
        gc.disable()
        try:
            for _ in range(640):
                with otel_fe.extraction("x") as running:
                    running.cache_hit()
            observed.traces.force_flush()
            del running
            assert gc.collect() < 50
        finally:
            gc.enable()


@pytest.mark.parametrize("config", ["", CONFIG], ids=["default", "configured"])
def test_why_names_the_cause_and_the_line_of_slow_extractions(config, tmp_path):
    settings = {}
    if config:
        (tmp_path / "collector.yaml").write_text(config)
        settings = {"config": str(tmp_path / "collector.yaml")}
    with instrumented(slow_threshold_s=0.03, **settings) as observed:
        with otel_fe.extraction("checkout") as running:
            trace_id = running.span.get_span_context().trace_id
            time.sleep(0.1)
        observed.traces.force_flush()
        (slow,) = otel_fe.explain_decision(trace_id).slow
        assert (slow.feature_set, slow.cause) == ("checkout", "sleep")
        assert slow.hotspot.endswith("test_why_names_the_cause_and_the_line_of_slow_extractions")
        assert 0 < slow.hotspot_ns <= slow.cause_ns <= slow.duration_ns
        assert otel_fe.explain_decision(trace_id).as_dict()["slow_extractions"][0]["cause"] == "sleep"


def test_why_tells_what_every_rule_saw():
    """Kept or not, the last decisions are explained; what is not known is None, what is no id an error."""
    with instrumented(baseline_ratio=0.0) as observed:
        with otel_fe.extraction("healthy") as running:
            healthy = running.span.get_span_context().trace_id
        with pytest.raises(ZeroDivisionError), otel_fe.extraction("failing") as running:
            failed = running.span.get_span_context().trace_id
            1 // 0
        assert observed.traces.force_flush()
        record = otel_fe.explain_decision(f"{healthy:032x}")
        assert record.outcome == "not sampled"
        assert [vote.policy for vote in record.votes] == ["error", "slow", "slo", "baseline"]
        assert "< 100 ms" in record.votes[1].saw
        assert otel_fe.explain_decision(failed).outcome == "kept by error, weight 1"
        assert otel_fe.explain_decision(1) is None
        with pytest.raises(ValueError, match="invalid literal"):
            otel_fe.explain_decision("no id")
    assert otel_fe.explain_decision(failed) is None
