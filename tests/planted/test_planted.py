"""Services with one planted cause each, under the launcher with its defaults: the product names the cause, and its line.

On a machine that is busy with other things, extractions wait for a core as well: `cpu_wait` is left out of the comparison
wherever it is not what was planted.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.launched import Exported, command, environment, read
from tests.integration.servers import redis_server

pytest.importorskip("opentelemetry.distro", reason="the launcher needs a distribution")

SERVICES = Path(__file__).parent / "services"
PREFIX = "feature_extraction."
TIME = f"{PREFIX}time."
MOST = 0.6
LITTLE = 0.2
"""Nine in ten and 5 % are the goal, on a machine that has a core for the watcher. One that runs other tests beside has none: there
the watcher comes late, and sees less."""
_MODEL_BYTES = 400_000_000


TRIES = 5
"""A run in which too little was seen is repeated: how often that is so is to be measured on a quiet machine, and no test's verdict."""


def repeated(test):
    """Pass if one of `TRIES` runs of a test does, each in a folder of its own."""

    @functools.wraps(test)
    def wrapper(tmp_path, **given):
        for attempt in range(1, TRIES + 1):
            folder = tmp_path / str(attempt)
            folder.mkdir()
            try:
                test(tmp_path=folder, **given)
            except AssertionError:
                if attempt == TRIES:
                    raise
            else:
                break

    return wrapper


@dataclass
class Seen:
    """What the slow extractions of one service say."""

    causes: list[str] = field(default_factory=list)
    """The first cause of each, `cpu_wait` aside."""
    lines: list[str] = field(default_factory=list)
    """The line that took most of that cause's time."""
    slow_s: float = 0.0
    unexplained_s: float = 0.0


def launched(tmp_path: Path, service: str, *arguments: str, prefix: tuple[str, ...] = ()) -> Exported:
    """Run a service under the launcher, with everything as it is by default."""
    app = Path(shutil.copy(SERVICES / f"{service}.py", tmp_path))
    done = subprocess.run(
        [*prefix, *command(app, *arguments)],
        env=environment(OTEL_METRICS_EXPORTER="none"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "failed and was skipped" not in done.stderr, done.stderr[-3000:]
    return read(done.returncode, done.stdout, done.stderr)


def seen_in(exported: Exported, *besides: str) -> Seen:
    """Read the extractions that were slow; the first cause is one besides those named."""
    seen = Seen()
    for span in exported.extractions():
        times = {k.removeprefix(TIME): v for k, v in span["attributes"].items() if k.startswith(TIME)}
        if not times:
            continue
        seen.slow_s += sum(times.values())
        seen.unexplained_s += times.get("unexplained", 0.0)
        cause = max((name for name in times if name not in besides), key=times.__getitem__, default="")
        seen.causes.append(cause)
        top = [
            line
            for event in span["events"]
            if event["name"] == f"{PREFIX}stacks"
            for line in event["attributes"][f"{PREFIX}stacks.top"]
        ]
        seen.lines.append(next((line.split(" ", 1)[1] for line in top if line.startswith(f"{cause} ")), ""))
    return seen


def planted_line(service: str) -> str:
    """Return `file:line` of the line that is marked."""
    lines = (SERVICES / f"{service}.py").read_text().splitlines()
    (number,) = [n for n, line in enumerate(lines, 1) if "# planted" in line]
    return f"{service}.py:{number} "


def assert_named(service: str, seen: Seen, *causes: str) -> None:
    """Most name the cause and the line; little is unexplained."""
    assert seen.causes, "nothing was slow"
    right = [cause in causes for cause in seen.causes]
    assert sum(right) >= MOST * len(right), seen
    line = planted_line(service)
    named = [line in text for text in seen.lines]
    assert sum(named) >= MOST * len(named), (line, seen)
    assert seen.unexplained_s < LITTLE * seen.slow_s, seen


@pytest.mark.parametrize(
    ("service", "causes"),
    [
        pytest.param(
            "gc_storm",
            ("gc",),
            marks=pytest.mark.xfail(
                strict=False, reason="some runs put the collector's pauses down to cpu; not understood yet"
            ),
        ),
        ("gil_hog", ("gil",)),
        ("held_lock", ("lock",)),
        ("retry", ("sleep",)),
        ("heavy_numpy", ("cpu", "native_threads")),
        ("quadratic", ("cpu",)),
        ("lazy_import", ("import",)),
        ("blocked_loop", ("event_loop",)),
        ("converter", ("subprocess",)),
    ],
)
@repeated
def test_the_cause_and_its_line_are_named(tmp_path, service, causes):
    """No server is needed for these."""
    assert_named(service, seen_in(launched(tmp_path, service), "cpu_wait"), *causes)


@repeated
def test_a_call_in_c_that_holds_the_interpreter(tmp_path):
    """The cause is named by the thread's CPU clock, and the line is not: the watcher cannot run, so it sees no stack."""
    seen = seen_in(launched(tmp_path, "large_pickle"), "cpu_wait")
    assert seen.causes, "nothing was slow"
    assert seen.causes.count("cpu") >= MOST * len(seen.causes), seen
    assert seen.unexplained_s < LITTLE * seen.slow_s, seen


@pytest.mark.parametrize(
    ("service", "cause"), [("n_plus_one", "downstream"), ("small_pool", "pool_wait"), ("fsync", "disk")]
)
@repeated
def test_a_database_or_a_file_that_makes_it_wait(tmp_path, service, cause):
    """Queries and pools are measured from beginning to end; the line comes from the stack."""
    assert_named(service, seen_in(launched(tmp_path, service, str(tmp_path / "data")), "cpu_wait", "gil"), cause)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """Write a large file, and return its path."""
    path = tmp_path_factory.mktemp("model") / "model.bin"
    with path.open("wb") as file:
        for _ in range(_MODEL_BYTES // 1_000_000):
            file.write(os.urandom(1_000_000))
        os.fsync(file.fileno())
    yield path
    path.unlink()


@pytest.mark.parametrize(("service", "cause"), [("cold_pages", "disk"), ("mapped_model", "page_faults")])
@pytest.mark.skipif(sys.platform != "linux", reason="posix_fadvise, madvise")
@repeated
def test_a_model_that_is_read_from_disk(tmp_path, model_file, service, cause):
    """By reads, and by touching its pages. Where the disk is fast, what the kernel computes for it takes longer: that is left out."""
    seen = seen_in(launched(tmp_path, service, str(model_file)), "cpu_wait", "cpu")
    if not seen.causes:
        pytest.skip("this machine's disk is as fast as memory: nothing was slow")
    assert_named(service, seen, cause)


@repeated
def test_a_cache_that_has_none_of_the_keys(tmp_path):
    """Against a real Redis."""
    socket_path = str(tmp_path / "redis.sock")
    with redis_server(tmp_path / "redis", "--unixsocket", socket_path):
        # Thousands of spans are printed meanwhile, by a thread of this process.
        seen = seen_in(launched(tmp_path, "cold_cache", "", socket_path), "cpu_wait", "gil")
    assert_named("cold_cache", seen, "cache_miss")


@repeated
def test_a_call_that_nobody_has_instrumented(tmp_path):
    """It is a call of another service all the same."""

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(0.15)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        seen = seen_in(launched(tmp_path, "plain_http", "", f"http://127.0.0.1:{server.server_port}/"), "cpu_wait")
        server.shutdown()
    assert_named("plain_http", seen, "downstream")


@contextlib.contextmanager
def slow_name_server(folder: Path):
    """Answer every question 150 ms late that there is no such name; yields a `resolv.conf` that leads there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind(("127.0.0.77", 53))
        except OSError as error:
            pytest.skip(f"no name server can be run here: {error}")

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    question, sender = server.recvfrom(512)
                    if not question:
                        return
                    time.sleep(0.15)
                    server.sendto(question[:2] + b"\x81\x83" + question[4:6] + bytes(6) + question[12:], sender)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        path = folder / "resolv.conf"
        path.write_text("nameserver 127.0.0.77\noptions timeout:3 attempts:1\n")
        yield path
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
            stop.sendto(b"", ("127.0.0.77", 53))
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces")
@repeated
def test_a_name_that_takes_long_to_resolve(tmp_path):
    """`getaddrinfo` is C, and waits for a socket that nobody has instrumented."""
    with slow_name_server(tmp_path) as path:
        script = f'mount --bind {path} /etc/resolv.conf && exec "$@"'
        prefix = ("unshare", "--mount", "sh", "-c", script, "sh")
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
            pytest.skip("/etc/resolv.conf cannot be replaced for one process here: no permission to mount")
        seen = seen_in(launched(tmp_path, "slow_names", prefix=prefix), "cpu_wait")
    assert_named("slow_names", seen, "downstream")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity of processes")
@repeated
def test_other_processes_that_want_the_same_core(tmp_path):
    """It was ready to run, and waited for the core."""
    assert_named("neighbour", seen_in(launched(tmp_path, "neighbour")), "cpu_wait")


@pytest.fixture
def fifth_of_a_core():
    """Return a control group with a quota of a fifth of a core, of whichever version can be made here."""
    for parent, settings in (
        (Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "10000"}),
        (Path("/sys/fs/cgroup"), {"cpu.max": "10000 50000"}),
    ):
        group = parent / f"otel_fe_planted_{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            for name, value in settings.items():
                (group / name).write_text(value)
        except OSError:
            group.rmdir()
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("no control group with a quota can be made here")


@pytest.mark.xfail(
    strict=False,
    reason="the watcher shares the quota: up to half of the time of a stopped extraction stays unexplained",
)
def test_a_quota_that_stops_the_process(tmp_path, fifth_of_a_core):
    """The group's throttled time, as far as this thread was ready to run and did not."""
    prefix = ("sh", "-c", f'echo $$ > {fifth_of_a_core}/cgroup.procs && exec "$@"', "sh")
    seen = seen_in(launched(tmp_path, "quota", prefix=prefix), "cpu_wait")
    assert_named("quota", seen, "cpu_throttled")


def test_every_service_has_a_test():
    """None of them is forgotten."""
    source = Path(__file__).read_text()
    for path in SERVICES.glob("*.py"):
        assert re.search(rf'"{path.stem}"', source), path
