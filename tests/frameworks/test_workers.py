"""Workers that live shorter than any export interval: everything that they have counted and traced arrives."""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.frameworks.workers import launched, receiving, run
from tests.integration.servers import redis_server

pytestmark = pytest.mark.timeout(300)

SHOP = "def extract(x): return x\n"
POOL = """
import multiprocessing, shop
if __name__ == "__main__":
    with multiprocessing.get_context({method!r}).Pool(4) as pool:
        print(sum(pool.map(shop.extract, range(200))))
"""
JOBLIB = """
import joblib, shop
if __name__ == "__main__":
    print(sum(joblib.Parallel(n_jobs=4, backend="multiprocessing")(joblib.delayed(shop.extract)(x) for x in range(200))))
"""
EXITING = """
import os, shop
for x in range(20): shop.extract(x)
os._exit(7)
"""
TERMINATED = """
import multiprocessing, shop
def work(connection):
    for x in range(20): shop.extract(x)
    connection.send("done")
    connection.recv()  # a worker that waits
if __name__ == "__main__":
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=work, args=(theirs,))
    child.start()
    assert ours.recv() == "done"
    child.terminate()
    child.join()
    print(child.exitcode)
"""
TASKS = """
import celery, os, shop
app = celery.Celery("tasks", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
@app.task
def task(x): return shop.extract(x)
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder that holds the module `shop`."""
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "out", "status", "count"),
    [
        pytest.param(POOL.format(method="fork"), "19900", 0, 200, id="multiprocessing.Pool, fork"),
        pytest.param(POOL.format(method="spawn"), "19900", 0, 200, id="multiprocessing.Pool, spawn"),
        pytest.param(POOL.format(method="forkserver"), "19900", 0, 200, id="multiprocessing.Pool, forkserver"),
        pytest.param(JOBLIB, "19900", 0, 200, id="joblib"),
        pytest.param(EXITING, "", 7, 20, id="os._exit"),
        pytest.param(TERMINATED, "-15", 0, 20, id="terminate"),
    ],
)
def test_what_a_worker_finished_arrives(folder, source, out, status, count):
    """Leaving `with Pool()` terminates its workers; the exit status of each end is the same as without otel_fe."""
    (folder / "app.py").write_text(source)
    with receiving() as received:
        done = run(received, folder, "python", "app.py", OTEL_FE_BASELINE_RATIO="1")
        assert (done.returncode, done.stdout.strip()) == (status, out), done.stderr
        assert received.counted == count
        assert len(received.spans) == count


def test_celery_replaces_its_workers_after_each_task(folder):
    """`--max-tasks-per-child 1`: twenty tasks in twenty processes, each of which leaves by os._exit."""
    (folder / "tasks.py").write_text(TASKS)
    ask = "import tasks; print(sum(r.get(timeout=60) for r in [tasks.task.delay(x) for x in range(20)]))"
    worker = (
        "celery",
        "--app",
        "tasks",
        "worker",
        "--concurrency",
        "2",
        "--max-tasks-per-child",
        "1",
        "--loglevel",
        "error",
    )
    with receiving() as received, redis_server(folder / "redis") as port:
        url = {"REDIS_URL": f"redis://127.0.0.1:{port}/0", "PYTHONPATH": str(folder)}
        serving = subprocess.Popen(
            launched(*worker), cwd=folder, env=received.environment(OTEL_FE_BASELINE_RATIO="1", **url)
        )
        try:
            asked = run(received, folder, "python", "-c", ask, REDIS_URL=url["REDIS_URL"], OTEL_SDK_DISABLED="true")
            assert asked.stdout.strip() == "190", asked.stderr
        finally:
            serving.terminate()
            serving.wait(60)
        assert received.counted == 20
        assert len(received.spans) == 20


def test_rq_runs_each_job_in_a_process_of_its_own(folder):
    """A job's spans are exported although RQ's work horse leaves by `os._exit`."""
    ask = (
        "import redis, rq, os, shop; q = rq.Queue(connection=redis.Redis.from_url(os.environ['URL'])); "
        "print(len([q.enqueue(shop.extract, x) for x in range(12)]))"
    )
    with receiving() as received, redis_server(folder / "redis") as port:
        url = f"redis://127.0.0.1:{port}/0"
        asked = run(received, folder, "python", "-c", ask, URL=url, OTEL_SDK_DISABLED="true")
        assert asked.stdout.strip() == "12", asked.stderr
        done = run(received, folder, "rq", "worker", "--burst", "--url", url, OTEL_FE_BASELINE_RATIO="1")
        assert done.returncode == 0, done.stderr
        assert received.counted == 12
        assert len(received.spans) == 12


def test_a_worker_whose_backend_is_gone_ends_in_time_and_says_what_it_cost(folder):
    """Bounded by OTEL_FE_FLUSH_TIMEOUT_S, and one warning."""
    (folder / "app.py").write_text(EXITING)
    with receiving() as received:
        received.endpoint = "http://127.0.0.1:9"
        began = time.monotonic()
        done = run(received, folder, "python", "app.py", OTEL_FE_FLUSH_TIMEOUT_S="1")
        took = time.monotonic() - began
    assert done.returncode == 7
    assert done.stderr.count("could not be exported within 1 s (OTEL_FE_FLUSH_TIMEOUT_S) and is lost") == 1
    assert took < 25  # the SDK's retries alone last longer
