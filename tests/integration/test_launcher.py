"""The launcher, as a user runs it: `opentelemetry-instrument python app.py`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.launched import command, environment, read, run, write

SHOP = """
class UserFeatures:
    def extract(self, user):
        return {"user": user, "age": 42}

def embed(text):
    if not text:
        raise ValueError("the " + "secret text")
    return [len(text)]
"""
TARGETS = "shop:UserFeatures.extract=user_profile,shop:embed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds the module `shop`."""
    write(tmp_path, SHOP, "shop.py")
    return tmp_path


def test_one_span_per_extraction_without_a_code_change(folder):
    """An application that knows nothing of us emits one span per call of a target."""
    app = write(folder, "import shop\nfor i in range(3): shop.UserFeatures().extract(i)\nprint(shop.embed('abc'))")
    got = run(app, OTEL_FE_TARGETS=TARGETS)
    assert got.status == 0, got.err
    names = [span["name"] for span in got.extractions()]
    assert names == ["feature_extraction user_profile"] * 3 + ["feature_extraction"]
    assert got.total("feature_extraction.duration") == 4
    assert "[3]" in got.out


def test_metrics_are_exact_while_healthy_traces_are_dropped(folder):
    """Every extraction counts, though the baseline keeps none of them."""
    app = write(folder, "import shop\nfor i in range(500): shop.UserFeatures().extract(i)")
    got = run(app, OTEL_FE_TARGETS=TARGETS, OTEL_FE_BASELINE_RATIO="0")
    assert got.extractions() == []
    assert got.total("feature_extraction.duration", feature_extraction__feature_set="user_profile") == 500
    assert got.total("feature_extraction.slo.events", slo="latency", good=True) == 500
    assert got.total("otel_fe.pipeline.spans.not_sampled") == got.total("otel_fe.pipeline.spans.received") == 500


def test_an_error_is_kept_and_says_nothing_of_its_value(folder):
    """A failed extraction's trace is kept with its type and stack, without its message, and the caller sees the error."""
    app = write(folder, "import shop\ntry:\n    shop.embed('')\nexcept ValueError as e:\n    print('caught', e)")
    got = run(app, OTEL_FE_TARGETS=TARGETS, OTEL_FE_BASELINE_RATIO="0")
    assert "caught the secret text" in got.out
    (span,) = got.extractions()
    assert span["attributes"]["error.type"] == "ValueError"
    assert "the secret text" not in str(span)
    assert "in embed" in span["events"][0]["attributes"]["exception.stacktrace"]
    assert span["context"]["trace_state"] == "['{key=ot, value=th:0}']"


def test_collector_pipeline_exports_every_span_and_derives_nothing(folder):
    """OTEL_FE_PIPELINE=collector leaves both to a collector; the size and load of the process, which no span has, it exports."""
    app = write(folder, "import shop\nfor i in range(20): shop.UserFeatures().extract(i)")
    got = run(app, OTEL_FE_TARGETS=TARGETS, OTEL_FE_BASELINE_RATIO="0", OTEL_FE_PIPELINE="collector")
    assert len(got.extractions()) == 20
    assert got.points.keys().isdisjoint({"feature_extraction.duration"})
    assert got.total("feature_extraction.process.time") > 0
    assert got.total("feature_extraction.process.cpu.time") > 0


def test_a_head_sampler_leaves_the_metrics_exact(folder):
    """OTEL_TRACES_SAMPLER decides about traces upstream of the pipeline, and about no metric."""
    app = write(folder, "import shop\nfor i in range(50): shop.UserFeatures().extract(i)")
    got = run(app, OTEL_FE_TARGETS=TARGETS, OTEL_TRACES_SAMPLER="always_off")
    assert got.extractions() == []
    assert got.total("feature_extraction.duration") == 50
    assert got.total("otel_fe.pipeline.spans.received") == 0


@pytest.mark.parametrize(
    "setting", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "otel_fe"}]
)
def test_switched_off_it_does_nothing(folder, setting):
    """The SDK's switch and the launcher's own both leave the application alone."""
    app = write(folder, "import shop\nprint(shop.UserFeatures().extract(1), shop.embed.__code__.co_filename)")
    got = run(app, OTEL_FE_TARGETS=TARGETS, **setting)
    assert got.status == 0
    assert got.extractions() == []
    assert "shop.py" in got.out


def test_without_distro_the_launcher_still_exports(folder, bare_python):
    """The standard variables set up providers when only our own dependencies are installed."""
    app = write(folder, "import shop\nshop.UserFeatures().extract(1)")
    got = run(app, python=bare_python, OTEL_FE_TARGETS=TARGETS, OTEL_SERVICE_NAME="shop")
    (span,) = got.extractions()
    assert span["resource"]["attributes"]["service.name"] == "shop"
    assert got.total("feature_extraction.duration") == 1


WITH_REDIS_AND_SQL = """
import logging, shop, sqlite3
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
import sqlalchemy
with sqlalchemy.create_engine("sqlite://").connect() as connection:
    connection.execute(sqlalchemy.text("SELECT 1"))
on = [kind().is_instrumented_by_opentelemetry for kind in (RedisInstrumentor, SQLAlchemyInstrumentor)]
print("ran", shop.embed("x"), on)
"""


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OTEL_FE_BASELINE_RATO", "0.5", "no such variable; did you mean OTEL_FE_BASELINE_RATIO?"),
        ("OTEL_FE_BASELINE_RATIO", "1.5", "use a ratio from 0 to 1, for example 0.05"),
        ("OTEL_FE_TARGETS", "shop", "use module:qualified.name[=feature_set]"),
        ("OTEL_FE_CACHES", "shop:f,shop:f", "name each target once"),
        ("OTEL_FE_DISABLED_LIBRARIES", "sklearn", "did you mean scikit-learn?"),
        ("OTEL_FE_CONFIG", "nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_a_wrong_variable_is_one_line_and_everything_else_goes_on(folder, variable, value, said):
    """The line names the variable, its value and what would be right; other instrumentations and the SDK work as without us."""
    app = write(folder, WITH_REDIS_AND_SQL)
    got = run(app, **{"OTEL_FE_TARGETS": TARGETS, variable: value})
    assert got.status == 0
    assert "ran [1] [True, True]" in got.out
    (line,) = got.err.splitlines()
    assert "otel_fe stays off" in line
    assert variable in line
    assert value.split(",")[0] in line
    assert said in line
    assert got.extractions() == []
    assert [span["name"] for span in got.spans if span["name"].startswith("SELECT")]


def test_a_wrong_variable_does_not_stop_an_application_that_configures_in_code(folder):
    """`otel_fe.configure()` logs the same line and returns; blocks are inert."""
    source = "import otel_fe\notel_fe.configure()\nwith otel_fe.extraction('x') as e:\n    print('ran', e.span.is_recording())"
    app = write(folder, source)
    environ = {**environment(OTEL_FE_GPU="maybe"), "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    done = subprocess.run(
        [sys.executable, str(app)], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "ran False\n"), done.stderr
    assert done.stderr.splitlines() == [
        "otel_fe stays off: OTEL_FE_GPU: 'maybe' cannot be used; use true or false",
    ]


@pytest.mark.parametrize("how", ["script", "module"])
def test_a_target_in_the_script_itself_is_named_with_what_to_do(folder, how):
    """`python app.py` runs the code as `__main__`: calls of `app:extract` there cannot be counted, and that is said."""
    app = write(folder, "def extract(): return 1\nprint(extract())\n")
    words = command(app) if how == "script" else [*command(app)[:-1], "-m", "app"]
    done = subprocess.run(
        words,
        env=environment(OTEL_FE_TARGETS="app:extract"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    got = read(done.returncode, done.stdout, done.stderr)
    assert got.out.startswith("1\n")
    ways = {"script": f"python {app}", "module": "python -m app"}
    assert f"app:extract is not wrapped: `{ways[how]}` runs that code as __main__" in got.err
    assert "decorate it with @otel_fe.extraction" in got.err


def test_sigterm_exports_what_is_finished_and_still_kills(folder):
    """A process that does not handle SIGTERM dies of it, after its spans and metrics are out."""
    app = write(
        folder,
        "import shop, time\nfor i in range(5): shop.UserFeatures().extract(i)\nprint('ready')\ntime.sleep(60)",
    )
    process = subprocess.Popen(
        command(app),
        env=environment(OTEL_FE_TARGETS=TARGETS, OTEL_BSP_SCHEDULE_DELAY="60000"),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    seen = ""
    while "ready" not in seen:
        seen += process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    got = read(process.returncode, seen + out, err)
    assert got.status == -signal.SIGTERM
    assert len(got.extractions()) == 5
    assert got.total("feature_extraction.duration") == 5


SLOW_EXIT = """
import os, shop, signal, threading, time
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
export, told = ConsoleSpanExporter.export, threading.Event()
def slow(self, spans):
    if not told.is_set():
        told.set()
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.3)
    return export(self, spans)
ConsoleSpanExporter.export = slow
{handler}
for i in range(4): shop.UserFeatures().extract(i)
"""


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        pytest.param("", -signal.SIGTERM, id="default"),
        pytest.param("signal.signal(signal.SIGTERM, lambda *_: os._exit(3))", 3, id="os._exit"),
    ],
)
def test_sigterm_during_the_export_at_exit_loses_nothing(folder, handler, status):
    """A worker that has just been dismissed is often terminated as well: the process ends by that, after its last batch."""
    app = write(folder, SLOW_EXIT.format(handler=handler))
    got = run(app, OTEL_FE_TARGETS=TARGETS, OTEL_BSP_SCHEDULE_DELAY="60000", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="1")
    assert got.status == status, got.err
    assert len(got.extractions()) == 4
    assert got.total("feature_extraction.duration") == 4


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_worker_terminated_during_its_last_export_is_not_held(folder, method):
    """A worker that exports on its main thread is not held: that would use up the time for metrics, which are sent after spans."""
    source = f"""
import multiprocessing, os, shop, signal, time
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from otel_fe.instrument import child_sigterm
child_sigterm._HOLD_S = 60
export = ConsoleSpanExporter.export
def slow(self, spans):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.3)
    return export(self, spans)
ConsoleSpanExporter.export = slow
def work():
    shop.UserFeatures().extract(1)
if __name__ == "__main__":
    child = multiprocessing.get_context({method!r}).Process(target=work)
    child.start()
    child.join()
"""
    app = write(folder, source)
    got = run(app, OTEL_FE_TARGETS=TARGETS, OTEL_BSP_SCHEDULE_DELAY="60000", OTEL_FE_FLUSH_TIMEOUT_S="10")
    assert len(got.extractions()) == 1
    assert got.total("feature_extraction.duration") == 1


def test_an_application_s_own_sigterm_handler_stays(folder):
    """A handler of the application's is neither replaced nor called by us."""
    source = """
import os, shop, signal, sys
def mine(*_):
    print("mine")
    sys.exit(3)
signal.signal(signal.SIGTERM, mine)
shop.UserFeatures().extract(1)
os.kill(os.getpid(), signal.SIGTERM)
"""
    got = run(write(folder, source), OTEL_FE_TARGETS=TARGETS)
    assert got.status == 3
    assert "mine" in got.out
    assert len(got.extractions()) == 1


CHAINED = """
import os, shop, signal, sys
def mine(signum, frame):
    {chain}
    print("cleaned up", flush=True)
    sys.exit(3)
before = signal.{how}
signal.signal(signal.SIGTERM, mine)
print(before is signal.SIG_DFL, signal.getsignal(signal.SIGTERM) is mine, flush=True)
shop.UserFeatures().extract(1)
os.kill(os.getpid(), signal.SIGTERM)
"""
RESENT = """
import os, shop, signal
def mine(*_):
    global before
    print("cleaned up", flush=True)
    signal.signal(signal.SIGTERM, before)
    print(signal.getsignal(signal.SIGTERM) is before, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
before = signal.signal(signal.SIGTERM, mine)
shop.UserFeatures().extract(1)
os.kill(os.getpid(), signal.SIGTERM)
"""


def _printed(got):
    """Return the application's own lines, among the spans of the console exporter."""
    return [line for line in got.out.splitlines() if line[:1].isalpha()]


@pytest.mark.parametrize("how", ["getsignal(signal.SIGTERM)", "signal(signal.SIGTERM, lambda *_: None)"])
def test_a_handler_that_calls_the_one_before_cleans_up_and_exits_as_before(folder, how):
    """The handler gets SIG_DFL as the previous one, which is not callable; its clean-up runs, and it sets the exit status."""
    source = CHAINED.format(how=how, chain="callable(before) and before(signum, frame)")
    got = run(write(folder, source), OTEL_FE_TARGETS=TARGETS)
    assert (got.status, _printed(got)) == (3, ["True True", "cleaned up"]), got.err
    assert len(got.extractions()) == 1


def test_a_handler_that_finds_ours_another_way_gets_an_export(folder):
    """Called by another handler, ours exports and returns: what comes after it is the other's."""
    source = "import _signal\n" + CHAINED.format(
        how="__dict__['SIG_DFL']; chained = _signal.getsignal(15)", chain="chained(signum, frame)"
    )
    got = run(write(folder, source), OTEL_FE_TARGETS=TARGETS)
    assert (got.status, _printed(got)) == (3, ["True True", "cleaned up"]), got.err
    assert len(got.extractions()) == 1


def test_a_handler_that_sends_itself_the_signal_again_dies_of_it_after_an_export(folder):
    """A handler that restores the default and resends the signal, as uvicorn's, ends the process by it, after an export."""
    got = run(write(folder, RESENT), OTEL_FE_TARGETS=TARGETS, OTEL_BSP_SCHEDULE_DELAY="60000")
    assert (got.status, _printed(got)) == (-signal.SIGTERM, ["cleaned up", "True"]), got.err
    assert len(got.extractions()) == 1


def test_a_plain_forked_child_is_left_to_its_application(folder):
    """A forked child that is no multiprocessing worker has the default SIGTERM action, as without otel_fe."""
    source = """
import _signal, os, signal
assert _signal.getsignal(signal.SIGTERM) != _signal.SIG_DFL
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
pid = os.fork()
if not pid:
    os._exit(_signal.getsignal(signal.SIGTERM) == _signal.SIG_DFL)
print("default", os.waitpid(pid, 0)[1] >> 8)
"""
    got = run(write(folder, source), OTEL_FE_TARGETS=TARGETS)
    assert got.status == 0
    assert "default 1" in got.out


def test_a_worker_that_is_terminated_as_soon_as_it_is_forked_ends(folder):
    """Python forgets the signals of a child's first moments, so that a handler of its parent's would swallow this one."""
    source = """
import multiprocessing, time
context = multiprocessing.get_context("fork")
for _ in range(5):
    child = context.Process(target=time.sleep, args=(600,))
    child.start()
    child.terminate()
    child.join(10)
    print("ended by", child.exitcode, flush=True)
    child.kill()
"""
    got = run(write(folder, source), OTEL_FE_TARGETS=TARGETS)
    assert [line for line in got.out.splitlines() if line.startswith("ended")] == ["ended by -15"] * 5, got.err


def test_sigterm_reaches_a_forked_child_only_without_our_handler(folder):
    """The signal comes before otel_fe has renewed anything in the child: an export would wait for threads that are not there."""
    source = """
import os, signal, time
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
import otel_fe
otel_fe.configure()
pid = os.fork()
if not pid:
    time.sleep(600)
print("ended by", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    app = write(folder, source)
    done = subprocess.run(
        [sys.executable, app], env=environment(), cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert "ended by -15" in done.stdout, done.stderr
    assert "could not be exported" not in done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("waits", ["lock", "native code"])
def test_a_terminated_worker_ends_whatever_its_main_thread_waits_for(folder, waits, method):
    """A handler in Python would wait for the main thread, and so would the process that joins the worker."""
    waiting = {
        "lock": "lock.acquire()",
        "native code": "ctypes.PyDLL(None).usleep(300_000); ctypes.CDLL(None).sleep(600)",
    }
    source = f"""
import ctypes, multiprocessing, shop
def work(lock, connection):
    shop.UserFeatures().extract(1)
    connection.send(1)
    {waiting[waits]}
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    lock, (ours, theirs) = context.Lock(), context.Pipe()
    lock.acquire()
    child = context.Process(target=work, args=(lock, theirs))
    child.start()
    ours.recv()
    child.terminate()
    child.join()
    print("ended by", child.exitcode)
"""
    got = run(write(folder, source), OTEL_FE_TARGETS=TARGETS)
    assert "ended by -15" in got.out
    assert got.total("feature_extraction.duration") == 1


def test_a_worker_s_own_sigterm_handler_and_wakeup_pipe_stay(folder):
    """A worker's own SIGTERM handler and wakeup pipe are the ones that run, and its subprocesses inherit neither."""
    source = """
import asyncio, multiprocessing, os, signal, sys, time
def handled(connection):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    connection.send(1)
    time.sleep(600)
def awaited(connection):
    async def main():
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        connection.send(1)
        await ended.wait()
        os._exit(6)
    asyncio.run(main())
def forked(connection):
    pid = os.fork()
    if not pid:
        time.sleep(600)
    os.kill(pid, signal.SIGTERM)
    connection.send(os.waitpid(pid, 0)[1])
    connection.recv()
    sys.exit(7)
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    for work in (handled, awaited, forked):
        ours, theirs = context.Pipe()
        child = context.Process(target=work, args=(theirs,))
        child.start()
        told = ours.recv()
        if work is forked:
            assert told == signal.SIGTERM, told
            ours.send(1)
        else:
            child.terminate()
        child.join()
        print("ended by", child.exitcode)
"""
    got = run(write(folder, source), OTEL_FE_TARGETS=TARGETS)
    assert [line for line in got.out.splitlines() if line.startswith("ended")] == [f"ended by {n}" for n in (5, 6, 7)]


def test_fork_sends_nothing_twice_and_nothing_is_lost(folder):
    """Parent and child each count and send what they did themselves."""
    source = """
import os, shop, sys
shop.UserFeatures().extract(0)
pid = os.fork()
if pid == 0:
    for i in range(3): shop.UserFeatures().extract(i)
    sys.exit(0)
os.waitpid(pid, 0)
shop.UserFeatures().extract(1)
"""
    got = run(write(folder, source), OTEL_FE_TARGETS=TARGETS, OTEL_BSP_SCHEDULE_DELAY="60000")
    ids = [span["context"]["span_id"] for span in got.extractions()]
    assert len(ids) == len(set(ids)) == 5
    assert got.total("feature_extraction.duration") == 5


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_children_export_before_they_leave(folder, method):
    """A multiprocessing child leaves by os._exit, past atexit; what it finished is exported all the same."""
    source = f"""
import multiprocessing, shop
def work(n):
    for i in range(n): shop.UserFeatures().extract(i)
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    children = [context.Process(target=work, args=(4,)) for _ in range(2)]
    for child in children: child.start()
    for child in children: child.join()
"""
    got = run(write(folder, source), OTEL_FE_TARGETS=TARGETS, OTEL_BSP_SCHEDULE_DELAY="60000")
    assert got.status == 0, got.err
    assert len(got.extractions()) == 8
    assert got.total("feature_extraction.duration") == 8


def test_a_fork_inside_an_extraction_counts_it_once(folder):
    """The child of a fork in the middle of an extraction leaves that extraction to its parent."""
    source = """
import os, otel_fe, sys
with otel_fe.extraction("outer"):
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
sys.exit(0)
"""
    got = run(write(folder, source), OTEL_BSP_SCHEDULE_DELAY="60000")
    assert len(got.extractions()) == 1
    assert got.total("feature_extraction.duration") == 1


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("backend", ["refuses", "never answers"])
def test_an_unreachable_backend_delays_nothing_but_the_exit_and_that_by_its_bound(folder, protocol, backend):
    """An application without a receiver runs at its own pace; the SDK's shutdown of all three signals is bounded too."""
    source = """
import shop, time
start = time.perf_counter()
for i in range(200): shop.UserFeatures().extract(i)
print("took", time.perf_counter() - start < 1.0)
print(time.time())
"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if backend == "never answers" else 9
        got = run(
            write(folder, source),
            OTEL_FE_TARGETS=TARGETS,
            OTEL_TRACES_EXPORTER="otlp",
            OTEL_METRICS_EXPORTER="otlp",
            OTEL_LOGS_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_FE_FLUSH_TIMEOUT_S="1",
        )
        took_s = time.time() - float(got.out.splitlines()[-1])
    assert got.status == 0
    assert "took True" in got.out
    assert "within 1 s (OTEL_FE_FLUSH_TIMEOUT_S) and is lost" in got.err
    assert took_s < 8  # one export that is tried again lasts 10 s, and there are three signals


def test_gunicorn_prefork_workers_each_export(folder):
    """gunicorn's workers are forked after instrumentation; each has a working pipeline and sends its own spans once."""
    write(
        folder,
        "import os, shop, time\ndef application(environ, start):\n"
        "    shop.UserFeatures().extract(1)\n    time.sleep(0.01)\n"
        "    start('200 OK', [])\n    return [b'pid=%d;' % os.getpid()]\n",
        "web.py",
    )
    gunicorn = Path(sys.executable).parent / "gunicorn"
    launcher = Path(sys.executable).parent / "opentelemetry-instrument"
    process = subprocess.Popen(
        [launcher, gunicorn, "--bind", "unix:web.sock", "--workers", "2", "--preload", "web:application"],
        env=environment(OTEL_FE_TARGETS=TARGETS, OTEL_BSP_SCHEDULE_DELAY="60000"),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        workers = _served_by_both(folder / "web.sock")
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    got = read(process.returncode, out, err)
    ids = [span["context"]["span_id"] for span in got.extractions()]
    assert len(ids) == len(set(ids)) == len(workers), err[-2000:]
    assert got.total("feature_extraction.duration") == len(workers)
    processes = Counter(span["resource"]["attributes"]["service.instance.id"] for span in got.extractions())
    assert sorted(processes.values()) == sorted(Counter(workers).values())


def _served_by_both(path: Path) -> list[str]:
    """Return the worker of each of at least twenty requests, once both have answered some.

    A worker that has not booted yet still has the handler of gunicorn's master, which takes note of SIGTERM in the wrong process:
    gunicorn, with otel_fe or without, then waits for it for thirty seconds (`--graceful-timeout`) and kills it.
    """
    workers: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        while len(workers) < 20 or len(set(workers)) < 2:
            assert len(workers) < 1_000, "one worker has answered a thousand requests alone"
            workers += pool.map(_request, [path] * 2)
    return workers


def _request(path: Path) -> str:
    """Return the process that has answered."""
    for _attempt in range(200):
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(os.fspath(path))
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: client.recv(4096), b""))
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.05)
        else:
            assert b"200 OK" in answer, answer
            return answer.partition(b"pid=")[2].partition(b";")[0].decode()
    raise AssertionError("gunicorn does not listen")
