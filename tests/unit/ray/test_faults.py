"""A fault in any hook inside Ray: the application sees what it sees without us, and the fault is counted."""

from __future__ import annotations

import ast
import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import otel_fe
from otel_fe import faults
from otel_fe.instrument import background, runtime
from otel_fe.ray import client, serve, task_span, tasks, worker
from otel_fe.ray.request import ServeRequest, current
from otel_fe.ray.requests_seen import RequestsSeen
from otel_fe.ray.runtime import RayOutbox, WorkerRuntime
from tests.integration.faulty.call_sites import never_reached, reached
from tests.observed import instrumented

FOLDER = Path(otel_fe.__file__).parent / "ray"


def broken(*_args, **_kwargs):
    raise ZeroDivisionError


def a_submission(monkeypatch):
    """A call of a remote function, of which the one that takes the context cannot be made."""
    monkeypatch.setattr(tasks, "_ours", lambda: True)
    monkeypatch.setattr(tasks, "carrier_here", dict)
    submit = tasks._submitting(lambda remote, args, kwargs, **options: (remote, args, kwargs, options))
    remote = SimpleNamespace(_is_cross_language=False)
    assert submit(remote, args=[1], kwargs={"x": 1}, num_returns=2) == (remote, [1], {"x": 1}, {"num_returns": 2})


def a_ray_without_the_function(monkeypatch):
    """Where nothing can be replaced, no task gets a context: that is said once."""
    monkeypatch.setattr(tasks, "ray_module", lambda _name: SimpleNamespace(RemoteFunction=object))
    (patch,) = tasks.patches()
    patch.apply()
    assert faults.counts().get("ray.submit") == 1


def a_submission_to_java(monkeypatch):
    """A call of a function that no context can be given to."""
    monkeypatch.setattr(tasks, "_ours", lambda: True)
    monkeypatch.setattr(tasks, "carrier_here", dict)
    submit = tasks._submitting(lambda remote, args, kwargs: (remote, args, kwargs))
    remote = SimpleNamespace(_is_cross_language=True, _function_descriptor="shop.Embedding.embed")
    assert submit(remote, [1]) == (remote, [1], None)


def a_submission_of_a_client(monkeypatch):
    """A call through Ray Client."""
    monkeypatch.setattr(client, "carrier_here", dict)
    monkeypatch.setattr(client, "ray_module", broken)
    submit = client._calling(lambda worker, called, *args, **kwargs: (worker, called, args, kwargs))
    assert submit("worker", "function", 1, x=2) == ("worker", "function", (1,), {"x": 2})


def a_running_task(monkeypatch):
    """A task whose context cannot be read; its own errors leave it as they are."""
    monkeypatch.setattr(task_span.propagate, "extract", broken)
    assert task_span.run(lambda x: x + 1, {"traceparent": ""}, (1,), {}) == 2
    with pytest.raises(KeyError):
        task_span.run(_failing, {"traceparent": ""}, (), {})


def a_failing_task(monkeypatch):
    """A task whose error cannot be recorded."""

    class Entered:
        def __enter__(self):
            return SimpleNamespace()

        def __exit__(self, *_error):
            """End the span."""

    monkeypatch.setattr(task_span, "_described", lambda _function: {})
    monkeypatch.setattr(
        task_span.trace, "get_tracer", lambda *_: SimpleNamespace(start_as_current_span=lambda *_a, **_k: Entered())
    )
    monkeypatch.setattr(task_span, "record_exception", broken)
    with pytest.raises(KeyError, match="mine"):
        task_span.run(_failing, {"traceparent": ""}, (), {})


def _failing():
    raise KeyError("mine")


def the_end_of_a_task(monkeypatch):
    """A span that cannot be ended."""

    class Entered:
        def __enter__(self):
            return SimpleNamespace()

        __exit__ = broken

    monkeypatch.setattr(task_span, "_described", lambda _function: {})
    monkeypatch.setattr(
        task_span.trace, "get_tracer", lambda *_: SimpleNamespace(start_as_current_span=lambda *_a, **_k: Entered())
    )
    assert task_span.run(lambda x: x + 1, {}, (1,), {}) == 2


def an_extraction(monkeypatch):
    """An extraction in a replica."""
    monkeypatch.setattr("otel_fe.ray.runtime.request_here", broken)
    with instrumented() as observed:
        runtime.set_runtime(WorkerRuntime(runtime.current, RayOutbox()))
        with otel_fe.extraction("user_profile"):
            pass
        assert len(observed.extractions()) == 1


def metadata_of_a_request(monkeypatch):
    """Metadata that take no attribute."""

    class Metadata:
        __slots__ = ("request_id",)

        def __init__(self, request_id):
            self.request_id = request_id

    Metadata.__init__ = serve._stamping(Metadata.__init__)
    assert Metadata("r").request_id == "r"


def _turn(seen, replica):
    @asynccontextmanager
    async def own(*_):
        yield "slot"

    async def request():
        watched = serve.Serving(seen, lambda: None)._starting(own)
        async with watched(replica, SimpleNamespace(request_id="r")) as slot:
            return slot, current.get()

    return asyncio.run(request())


def the_beginning_of_a_request(monkeypatch):
    """A replica that has another shape than the one that we know."""
    assert _turn(RequestsSeen(), SimpleNamespace()) == ("slot", None)


def the_end_of_a_request(monkeypatch):
    """Figures that cannot be added up."""
    seen = RequestsSeen()
    monkeypatch.setattr(seen, "add", broken)
    ids = SimpleNamespace(app_name="a", name="d")
    slot, request = _turn(seen, SimpleNamespace(_deployment_id=ids, _replica_id=SimpleNamespace(unique_id="u")))
    assert (slot, request.replica) == ("slot", "u")


def the_end_of_a_replica(monkeypatch):
    """An exporter that cannot be flushed."""

    async def own(_replica):
        return "stopped"

    assert asyncio.run(serve.Serving(RequestsSeen(), broken)._stopping(own)(object())) == "stopped"


def the_setup_of_a_worker(monkeypatch):
    """Ray ends a worker whose hook raises."""
    monkeypatch.setattr(worker, "_launch", broken)
    worker.setup_worker()


def the_runtime_environment(monkeypatch):
    """A driver that cannot be joined to Ray still gets its environment."""
    monkeypatch.setattr(worker, "join", broken)
    assert worker.with_worker_setup({"pip": ["x"]}) == {"pip": ["x"]}


def publishing(monkeypatch):
    """Metrics of Ray's that cannot be made."""
    joined = object.__new__(worker.RayWorker)
    joined._outbox, joined._seen, joined._published = RayOutbox(), RequestsSeen(), None
    joined._seen.add(ServeRequest("a", "d", "r"), 1)
    monkeypatch.setattr(worker, "Published", broken)
    _in_the_background(monkeypatch, "ray.publish", joined.publish)


def reading(monkeypatch):
    """A cluster that is gone."""
    from otel_fe.ray_integration import RayServeIntegration

    monkeypatch.setattr("otel_fe.ray_integration.ray_module", broken)
    _in_the_background(monkeypatch, "ray.read", RayServeIntegration()._read_when_due)


def _in_the_background(monkeypatch, name, task):
    monkeypatch.setattr(background, "PERIOD_S", 0.01)
    running = background.Background(((name, task),))
    running.start()
    deadline = time.monotonic() + 10
    while not faults.counts() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.stop()


INJECTIONS = [
    ("ray.submit", a_submission),
    ("ray.submit", a_ray_without_the_function),
    ("ray.submit.other_language", a_submission_to_java),
    ("ray.client.submit", a_submission_of_a_client),
    ("ray.task", a_running_task),
    ("ray.task", a_failing_task),
    ("ray.task.end", the_end_of_a_task),
    ("ray.derive", an_extraction),
    ("ray.serve.accepted", metadata_of_a_request),
    ("ray.serve.begin", the_beginning_of_a_request),
    ("ray.serve.end", the_end_of_a_request),
    ("ray.serve.flush", the_end_of_a_replica),
    ("ray.setup_worker", the_setup_of_a_worker),
    ("ray.runtime_env", the_runtime_environment),
    ("background.ray.publish", publishing),
    ("background.ray.read", reading),
]


@pytest.mark.parametrize(("hook", "inject"), INJECTIONS)
def test_a_fault_disturbs_nothing_and_is_counted(hook, inject, monkeypatch):
    """Each hook's own work is broken in turn; what the application does comes out as ever."""
    faults.reset()
    inject(monkeypatch)
    counts = faults.counts()
    faults.reset()
    assert set(counts) == {hook}


def test_every_call_that_counts_a_fault_is_reached():
    """A hook may count in several places: one injection each."""
    with reached() as found:
        for _, inject in INJECTIONS:
            faults.reset()
            with pytest.MonkeyPatch.context() as patch:
                inject(patch)
    faults.reset()
    assert never_reached([*FOLDER.glob("*.py"), FOLDER.with_name("ray_integration.py")], found) == []


def test_every_hook_has_a_fault_injected():
    """The names are read from the source, so that a new hook cannot be forgotten."""
    found = set()
    for path in [*FOLDER.glob("*.py"), FOLDER.with_name("ray_integration.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            if name == "faults.record":
                found.add(node.args[0].value)
            elif name == "Background":
                found |= {f"background.{task.elts[0].value}" for task in node.args[0].elts}
    assert found == {hook for hook, _ in INJECTIONS}


def test_what_is_replaced_is_put_back():
    """Serve's parts are afterwards what they were, and tracing that a user has configured stays in force."""
    tracing = ModuleType("tracing_utils")
    tracing._tracing_enabled, tracing.trace = False, object()
    exec("RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH = ''\ndef setup_tracing(**kwargs): return kwargs", vars(tracing))
    own = tracing.setup_tracing
    parts = serve.Serving(RequestsSeen(), lambda: None)
    parts._trace(tracing)
    assert tracing._tracing_enabled
    assert tracing.setup_tracing(tracing_config=None) is True
    assert tracing.setup_tracing(tracing_config="mine") == {"tracing_config": "mine"}
    tracing.RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH = "mine:exporter"
    assert tracing.setup_tracing(tracing_config=None) == {"tracing_config": None}
    parts.uninstrument()
    assert tracing.setup_tracing is own
    assert not tracing._tracing_enabled
