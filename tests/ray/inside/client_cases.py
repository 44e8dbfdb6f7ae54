"""Ray Client: a driver outside of a cluster, whose functions are of another kind; run by `test_tasks.py`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import ray
from ray._private.ray_constants import WORKER_PROCESS_SETUP_HOOK_ENV_VAR

from otel_fe import faults
from otel_fe.ray.worker import join, leave
from tests.ray.inside.functions import here, of_a_module, start_tracing
from tests.ray.inside.tracing import OUTSIDE, WORKERS, traced

_START_S = 400
BY_VARIABLE = {
    "env_vars": {**WORKERS["env_vars"], WORKER_PROCESS_SETUP_HOOK_ENV_VAR: WORKERS["worker_process_setup_hook"]}
}
"""The environment that a client has to pass: Ray ignores `worker_process_setup_hook` of a client's environment."""


def ports(number):
    """Return free ports; Ray's workers get theirs elsewhere."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Start a cluster, and connect to it as a client, before this process is instrumented."""
    start_tracing()
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        process = connected(folder)
        try:
            yield
            ray.shutdown()
        finally:
            ended(process)


def connected(folder):
    """Start a cluster and connect to it; again if its node was too slow to begin, see `starting`."""
    deadline = time.monotonic() + _START_S
    while True:
        gcs, server = ports(2)
        process = started(folder, gcs, server)
        while process.poll() is None:
            try:
                ray.init(f"ray://127.0.0.1:{server}", runtime_env=BY_VARIABLE)
            except ConnectionError:
                assert time.monotonic() < deadline, "no connection"
            else:
                return process
        assert time.monotonic() < deadline, f"the cluster has ended with {process.returncode}"


def started(folder, gcs, server):
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--block", "--node-ip-address=127.0.0.1"]
    command += [f"--port={gcs}", f"--ray-client-server-port={server}", "--num-cpus=2", f"--temp-dir={folder}"]
    command += ["--include-dashboard=false", "--object-store-memory=100000000"]
    command += ["--min-worker-port=0", "--max-worker-port=0"]
    return subprocess.Popen(command, start_new_session=True)


def ended(process):
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def within(trace_id, function):
    return [trace_id, f"{function.__module__}.{function.__name__} ray.remote_worker"]


def test_functions_of_both_kinds_take_the_context():
    """Functions made before and after the client connected carry the context, with options and in another task."""

    def embed(x, *, y=0):
        return [x, y, here()]

    later = ray.remote(embed)
    assert ray.get(later.remote(1, y=2)) == [1, 2, OUTSIDE]
    with traced() as trace_id:
        assert ray.get(of_a_module.remote())[0] == trace_id
        assert ray.get(of_a_module.options(num_cpus=0.5).remote())[0] == trace_id
        assert ray.get(later.remote(1, y=2)) == [1, 2, within(trace_id, embed)]
        assert ray.get(later.options(num_cpus=0.5).remote(1)) == [1, 0, within(trace_id, embed)]
        with pytest.raises(TypeError, match="missing a required argument: 'x'"):
            later.remote()
    join()
    try:
        assert ray.get(later.remote(1)) == [1, 0, OUTSIDE]
    finally:
        leave()
    assert ray.get(of_a_module.remote()) == OUTSIDE
    assert faults.counts() == {}


def test_generators_and_actors_do_as_without_us():
    """A generator's results are in the trace; actors are left alone."""

    @ray.remote(num_returns=2)
    def two():
        yield here()
        yield here()

    @ray.remote
    class Actor:
        def ask(self):
            return here()

    with traced() as trace_id:
        assert [ray.get(one)[0] for one in two.remote()] == [trace_id] * 2
        actor = Actor.remote()
        assert ray.get(actor.ask.remote()) == OUTSIDE
        assert ray.get(Actor.options(num_cpus=0.5).remote().ask.remote()) == OUTSIDE


def test_it_is_put_back():
    """Afterwards, the client is as Ray has written it."""
    from ray.util.client.worker import Worker

    own = Worker.call_remote
    with traced():
        assert Worker.call_remote is not own
    assert Worker.call_remote is own
