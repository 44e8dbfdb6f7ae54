"""Run by tests/libraries/test_host.py: objects of numba, Celery and IPython that are targets stay what they are."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys

import cloudpickle
import numba
import pytest
from langfuse._client.span_processor import LangfuseSpanProcessor
from numba.core.dispatcher import Dispatcher
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from otel_fe import FeatureExtractionInstrumentor
from otel_fe.config.settings import Settings
from otel_fe.instrument.imports import ImportHooks
from otel_fe.instrument.targets import Targets
from otel_fe.testing import capture

MODULE = "tests.libraries.inside.host_modules"


@pytest.fixture
def module():
    """Import the module afresh."""
    sys.modules.pop(MODULE, None)
    yield importlib.import_module(MODULE)
    sys.modules.pop(MODULE, None)


@pytest.fixture
def observed():
    """Capture all spans."""
    with capture() as found:
        yield found


@pytest.fixture
def targets(module, observed):
    """Replace targets by name, and put them back."""
    made = []

    def apply(*names):
        targets = Targets(",".join(f"{MODULE}:{name}" for name in names))
        targets.instrument(ImportHooks())
        assert not targets.refused
        made.append(targets)
        return targets

    yield apply
    for one in made:
        one.uninstrument()


def test_numba_compiles_what_calls_a_target(module, targets, observed):
    """Calls from Python are extractions; those from compiled code never pass through Python."""
    before = module.distance
    targets("distance")
    assert module.far(3.0, 5.0)
    assert not module.far(1.0, 1.0)
    assert not observed.extractions()
    assert module.distance(3.0, 4.0) == 5.0
    assert len(observed.extractions()) == 1
    assert isinstance(module.distance, Dispatcher)
    assert module.distance.py_func is before.py_func
    assert module.distance.signatures == before.signatures
    assert len(module.distance.signatures) == 1
    assert numba.typeof(module.distance) == numba.typeof(before)
    assert numba.extending.is_jitted(module.distance)

    @numba.njit
    def with_argument(function, x):
        return function(x, x)

    assert with_argument(module.distance, 0.0) == 0.0
    module.distance.recompile()
    for pickler in (pickle, cloudpickle):
        assert pickler.loads(pickler.dumps(module.distance)) is module.distance


def test_a_celery_task_is_the_registered_one_and_runs_its_extraction(module, targets, observed):
    """`delay`, `apply`, `s`, a retry and a direct call; the registry, the module and pickle hold one object."""
    found = targets("extract", "bound", "shared")
    assert module.app.tasks[f"{MODULE}.extract"] is not None
    assert module.extract(2) == 4
    assert module.extract.apply((3,)).get() == 6
    assert (module.extract.s(4) | module.extract.s()).apply().get() == 16
    assert module.bound.apply((1,)).get() == (1, "bound")
    assert len(observed.extractions()) == 6
    assert sum("error.type" in span.attributes for span in observed.extractions()) == 1
    module.app.set_default()
    assert module.shared.apply((5,)).get() == 5
    assert module.shared(6) == 6
    assert len(observed.extractions()) == 8
    for pickler in (pickle, cloudpickle):
        again = pickler.loads(pickler.dumps(module.app.tasks["bound"]))
        assert again is module.app.tasks["bound"]
    found.uninstrument()
    assert module.extract(2) == 4
    assert module.shared(2) == 2
    assert "run" not in vars(module.app.tasks["bound"])
    assert len(observed.extractions()) == 8


def test_a_lazy_task_is_not_evaluated(module, targets):
    """A lazy Celery task is not evaluated: its application may not be configured yet."""
    targets("extract", "shared")
    assert not module.app.finalized
    module.app.conf.task_serializer = "pickle"
    assert module.extract.serializer == "pickle"


def test_a_worker_that_has_taken_the_function_takes_it_anew(module, targets, observed):
    """A Celery worker uses the instrumented function even if `worker_process_init` instruments after Celery built its tracers."""
    from celery.app.trace import build_tracer

    task = module.app.tasks[f"{MODULE}.extract"]
    task.__trace__ = build_tracer(task.name, task, app=module.app)
    found = targets("extract")
    assert task.__trace__("id", (2,), {}, {"is_eager": True}).retval == 4
    assert len(observed.extractions()) == 1
    found.uninstrument()
    task.__trace__("id", (2,), {}, {"is_eager": True})
    assert len(observed.extractions()) == 1


IPYTHON = """
%load_ext autoreload
%autoreload 2
import otel_fe
from otel_fe.testing import capture
captured = capture()
observed = captured.__enter__()
%timeit -n1 -r1 otel_fe.extraction("x")(len)([1])
import functools
@otel_fe.extraction("cell")
@functools.lru_cache
def cell(x):
    return x
cell(1), cell(1), cell.cache_info().hits
extract = otel_fe.extraction("shown")(functools.partial(int, base=2))
extract?
print("count", len(observed.extractions()))
captured.__exit__(None, None, None)
"""


def test_ipython_shows_and_runs_them(tmp_path):
    """Cells, `?` and magics work on decorated objects."""
    (tmp_path / "session.ipy").write_text(IPYTHON)
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "session.ipy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "count 3" in done.stdout


def test_langfuse_gets_what_it_gets_without_us():
    """Langfuse's processor marks and tracks every span from start to end, while otel_fe keeps one trace of three."""
    theirs = [_langfuse(instrument=False), _langfuse(instrument=True)]
    assert theirs[0] == theirs[1]
    assert [name for name, _ in theirs[0]] == ["llm", "chain"] * 3
    assert theirs[0][1][1]["langfuse.internal.is_app_root"]


def _langfuse(*, instrument):
    exporter, ours = InMemorySpanExporter(), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    processor = LangfuseSpanProcessor(
        public_key="pk",
        secret_key="sk",
        base_url="http://127.0.0.1:9",
        span_exporter=exporter,
        should_export_span=lambda span: span.name in ("llm", "chain"),
    )
    provider.add_span_processor(processor)
    provider.add_span_processor(SimpleSpanProcessor(ours))
    instrumentor = FeatureExtractionInstrumentor()
    if instrument:
        instrumentor.instrument(tracer_provider=provider, settings=Settings(baseline_ratio=0.0))
    tracer = provider.get_tracer("app")
    for number in range(3):
        with tracer.start_as_current_span("request") as request:
            with tracer.start_as_current_span("chain"), tracer.start_as_current_span("llm"):
                pass
            if number == 1:
                request.set_status(StatusCode.ERROR)
    assert provider.force_flush()
    assert not processor._span_export_expectation_by_id
    assert len(ours.get_finished_spans()) == (3 if instrument else 9)
    if instrument:
        instrumentor.uninstrument()
    provider.shutdown()
    return [(span.name, dict(span.attributes)) for span in exporter.get_finished_spans()]
