"""Tasks of a real cluster: each way in which a context might get lost between submission and task, or harm the task.

Run by `test_tasks.py` in an environment that has Ray. This process is the driver; it is only instrumented where a case says so.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import pytest
import ray
from opentelemetry import trace
from ray import cloudpickle

from otel_fe import faults
from otel_fe.ray import tasks
from otel_fe.ray.context_argument import KEY, taking_context, twin_with_context
from tests.ray.inside.functions import decorated, here, start_tracing, with_a_lock
from tests.ray.inside.tracing import OUTSIDE, WORKERS, instrumented, traced
from tests.ray.starting import start


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Run a cluster whose workers are instrumented."""
    start_tracing()
    start(num_cpus=2, object_store_memory=100_000_000, runtime_env=WORKERS)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def inside(trace_id, name):
    """Return what `here` says in a task of that name."""
    return [trace_id, f"{__name__}.{name} ray.remote_worker"]


def a_function():
    """Return a remote function that has not been called yet."""

    @ray.remote
    def embed():
        return here()

    return embed


def test_a_task_runs_in_its_trace_and_outside_of_one_it_is_left_alone():
    """The span of the task is the innermost one; without a trace, or without us, there is none."""
    embed = a_function()
    with traced() as trace_id:
        assert ray.get(embed.remote()) == inside(trace_id, "embed")
        assert ray.get(embed.options(num_cpus=0.5, name="other").remote()) == inside(trace_id, "embed")
    with instrumented():
        assert ray.get(embed.remote()) == OUTSIDE
    assert ray.get(embed.remote()) == OUTSIDE


def test_a_function_that_was_called_before_this_process_was_instrumented():
    """Ray keeps the signature of the first call; that call knew of no context."""
    embed = a_function()
    assert ray.get(embed.remote()) == OUTSIDE
    with traced() as trace_id:
        assert ray.get(embed.remote()) == inside(trace_id, "embed")


def test_a_function_that_comes_from_a_process_which_called_it_without_a_trace():
    """A function that an uninstrumented driver has called and pickled still carries a trace in the next deployment's replicas."""
    embed = a_function()
    assert ray.get(embed.remote()) == OUTSIDE
    copy = pickle.loads(cloudpickle.dumps(embed))
    with traced() as trace_id:
        assert ray.get(copy.remote()) == inside(trace_id, "embed")


def test_a_function_that_another_process_has_exported_without_the_argument():
    """Ray identifies the function by its id, so the task must not be given an argument that the exported one lacks."""
    embed = a_function()
    copy = pickle.loads(cloudpickle.dumps(embed))
    assert ray.get(embed.remote()) == OUTSIDE
    with traced() as trace_id:
        assert ray.get(copy.remote()) == inside(trace_id, "embed")


def test_a_function_that_was_called_in_a_trace_travels_as_it_was_written():
    """A pickled function that was called in a trace contains neither otel_fe nor the trace argument."""
    embed = a_function()
    with traced():
        ray.get(embed.remote())
    copy = pickle.loads(cloudpickle.dumps(embed))
    assert not copy._function_signature
    assert copy._function.__qualname__ == embed._function.__qualname__
    assert KEY not in repr(vars(copy)["_function_signature"])
    assert ray.get(copy.remote()) == OUTSIDE
    without_otel_fe(cloudpickle.dumps(a_number), "assert found._function() == 3")


@ray.remote
def a_number():
    return 3


def test_the_function_that_takes_the_context_runs_where_otel_fe_is_missing():
    """The function is pickled by value, without otel_fe, and runs without a context there."""
    function = taking_context(a_number._function)
    without_otel_fe(cloudpickle.dumps(function), f"assert found(**{{{KEY!r}: {{}}}}) == 3")

    def numbers():
        yield from (1, 2)

    made = cloudpickle.dumps(taking_context(numbers))
    without_otel_fe(made, f"assert list(found(**{{{KEY!r}: {{}}}})) == [1, 2]")


def without_otel_fe(pickled, then):
    source = f"""
import sys
sys.modules["otel_fe"] = None
import pickle
found = pickle.loads({pickled!r})
{then}
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_process_exports_the_same_function():
    """The function's id is derived from the original's, so a job with a hundred replicas exports it once."""
    embed = a_function()
    copy = pickle.loads(cloudpickle.dumps(embed))
    assert twin_with_context(embed)._uuid == twin_with_context(copy)._uuid != embed._uuid
    assert twin_with_context(embed) is twin_with_context(embed)


def test_tasks_of_tasks_stay_in_the_trace():
    """A worker hands on what it was given; it is instrumented before its first task."""
    embed = a_function()

    @ray.remote
    def outer():
        return ray.get(embed.remote()), here()

    with traced() as trace_id:
        assert ray.get(outer.remote()) == (inside(trace_id, "embed"), inside(trace_id, "outer"))


def test_every_way_to_call_a_function():
    """`_remote` takes its arguments by position or by name, or not at all."""

    @ray.remote
    def echo(*args, **kwargs):
        return [list(args), kwargs, here()]

    with traced() as trace_id:
        within = inside(trace_id, "echo")
        assert ray.get(echo.remote(1, x=2)) == [[1], {"x": 2}, within]
        assert ray.get(echo._remote([1], {"x": 2})) == [[1], {"x": 2}, within]
        assert ray.get(echo._remote(args=[1])) == [[1], {}, within]
        assert ray.get(echo._remote(kwargs={"x": 2})) == [[], {"x": 2}, within]
        assert ray.get(echo._remote()) == [[], {}, within]
        given = {"x": 2}
        ray.get(echo._remote([], given))
        assert given == {"x": 2}


def test_wrong_arguments_are_refused_as_without_us():
    """The signature is the function's own."""

    @ray.remote
    def one(x):
        return x

    with traced(), pytest.raises(TypeError, match="missing a required argument: 'x'"):
        one.remote()
    with traced(), pytest.raises(TypeError, match="unexpected keyword argument 'y'"):
        one.remote(1, y=2)


def test_generators_run_in_their_trace_to_the_end():
    """Streaming ones, those with a fixed number of results, and those that a decorator hides."""

    def two():
        yield here()
        yield here()

    with traced() as trace_id:
        within = [inside(trace_id, "two")] * 2
        assert [ray.get(one) for one in ray.remote(two).remote()] == within
        assert ray.get(ray.remote(num_returns=2)(two).remote()) == within
        assert ray.get(ray.remote(num_returns=2)(decorated(two)).remote()) == within
    assert ray.get(ray.remote(num_returns=2)(two).remote()) == [OUTSIDE] * 2


def test_a_decorator_of_invocations_does_not_see_the_context():
    """Ray hands it the arguments; it sees the application's alone, and the task gets the context all the same."""

    def invocations(invocation):
        def called(args, kwargs):
            seen.append((list(args), dict(kwargs)))
            return invocation([2 * one for one in args], kwargs)

        return called

    def double(x):
        return [x, here()]

    seen = []
    double.__ray_invocation_decorator__ = invocations
    remote = ray.remote(double)
    with traced() as trace_id:
        assert ray.get(remote.remote(1)) == [2, inside(trace_id, "double")]
        assert ray.get(remote.remote(x=3)) == [3, inside(trace_id, "double")]
    assert ray.get(remote.remote(4)) == [8, OUTSIDE]
    assert seen == [([1], {}), ([], {"x": 3}), ([4], {})]


def test_a_function_that_can_be_pickled_by_name_only():
    """The function's defaults and annotations are in no pickle that otel_fe makes."""
    remote = ray.remote(with_a_lock)
    with traced() as trace_id:
        assert ray.get(remote.remote(2)) == [trace_id, f"{with_a_lock.__module__}.with_a_lock ray.remote_worker"]


def test_what_ray_shows_of_a_task_is_what_it_shows_without_us():
    """Ray shows the same name and error of a task as without otel_fe."""

    @ray.remote
    def fails():
        raise KeyError("mine")

    with traced():
        with pytest.raises(KeyError, match="mine") as raised:
            ray.get(fails.remote())
        name = twin_with_context(fails)._function_name
    assert "fails()" in str(raised.value)
    assert name == fails._function_name


def test_a_function_of_another_language_is_left_alone_and_counted_once_in_the_log(caplog):
    """A function of another language gets no context argument, which Ray would refuse; a warning is logged once."""
    function = ray.cross_language.java_function("shop.Embedding", "embed")
    submit = tasks._submitting(lambda remote, args, kwargs, **_: (remote, args, kwargs))
    faults.reset()
    with trace.get_tracer("tests").start_as_current_span("root"), caplog.at_level("WARNING", logger="otel_fe"):
        for _ in range(2):
            assert submit(function, [1], {}, num_returns=1) == (function, [1], {})
    assert faults.counts() == {"ray.submit.other_language": 2}
    assert caplog.text.count("is no Python function: its task is in no trace of ours") == 1
    assert "class_name=shop.Embedding, function_name=embed" in caplog.text
    faults.reset()


def test_workers_that_load_code_from_their_own_disk(cluster):
    """Ray then exports nothing that they find there by its name; they must not run the plain function instead."""
    assert_in_another_driver(
        f"""
ray.init({cluster!r}, runtime_env={WORKERS!r}, job_config=ray.job_config.JobConfig(code_search_path=[{os.getcwd()!r}]))
assert ray._private.worker.global_worker.load_code_from_local
assert ray.get(of_a_module.remote()) == [None, None]
join()
with root() as trace_id:
    assert ray.get(of_a_module.remote()) == [trace_id, f"{{of_a_module._function_name}} ray.remote_worker"]
"""
    )


def test_where_ray_traces_itself_it_carries_the_context():
    """A task has only Ray's span when Ray's own tracing is on."""
    assert_in_another_driver(
        f"""
start(num_cpus=1, object_store_memory=100_000_000, runtime_env={WORKERS!r},
      _tracing_startup_hook="tests.ray.inside.functions:start_tracing")
join()
with root() as trace_id:
    found = ray.get(of_a_module.remote())
assert found == [trace_id, f"{{of_a_module._function_name}} ray.remote_worker"], found
"""
    )


def assert_in_another_driver(source):
    preamble = """
from contextlib import contextmanager
import ray
from opentelemetry import trace
from otel_fe import faults
from otel_fe.ray.worker import join
from tests.ray.inside.functions import here, of_a_module, start_tracing
from tests.ray.starting import start
@contextmanager
def root():
    with trace.get_tracer("tests").start_as_current_span("root") as span:
        yield format(span.get_span_context().trace_id, "032x")
start_tracing()
"""
    done = subprocess.run(
        [sys.executable, "-c", f"{preamble}{source}\nassert faults.counts() == {{}}, faults.counts()"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
