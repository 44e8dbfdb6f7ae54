"""Services with one planted cause each, what each needs around it, and what the product is to say."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.launched import command, environment, read
from tests.integration.servers import redis_server
from tests.planted.seen import Seen, seen_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVICES = Path(__file__).parent / "services"
MODEL_BYTES = 400_000_000


class CannotRunError(Exception):
    """The case cannot run on this machine; the message has the reason."""


@dataclass(frozen=True)
class BuildContext:
    """A service's start arguments."""

    arguments: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    """A command in front of the launcher."""


@contextlib.contextmanager
def nothing(_folder: Path) -> Iterator[BuildContext]:
    """Start a service as it is."""
    yield BuildContext()


@contextlib.contextmanager
def data_path(_folder: Path) -> Iterator[BuildContext]:
    """Hand over a path for a database or a file, in the folder of each run."""
    yield BuildContext(("data",))


@contextlib.contextmanager
def redis_socket(folder: Path) -> Iterator[BuildContext]:
    """Start a Redis."""
    socket_path = str(folder / "redis.sock")
    with redis_server(folder / "redis", "--unixsocket", socket_path):
        yield BuildContext(("", socket_path))


class _Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.15)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def slow_http_server(_folder: Path) -> Iterator[BuildContext]:
    """Answer every request 150 ms late."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield BuildContext(("", f"http://127.0.0.1:{server.server_port}/"))
        server.shutdown()


def _answer_names(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            question, sender = server.recvfrom(512)
            if not question:
                return
            time.sleep(0.15)
            server.sendto(question[:2] + b"\x81\x83" + question[4:6] + bytes(6) + question[12:], sender)


@contextlib.contextmanager
def slow_name_server(folder: Path) -> Iterator[BuildContext]:
    """Answer every question 150 ms late that there is no such name; only the service's `resolv.conf` leads there."""
    path = folder / "resolv.conf"
    path.write_text("nameserver 127.0.0.77\noptions timeout:3 attempts:1\n")
    script = f'mount --bind {path} /etc/resolv.conf && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", script, "sh")
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        raise CannotRunError("/etc/resolv.conf cannot be replaced for one process: no permission to mount")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind(("127.0.0.77", 53))
        except OSError as error:
            raise CannotRunError(f"no name server can be run: {error}") from error
        thread = threading.Thread(target=_answer_names, args=(server,), daemon=True)
        thread.start()
        yield BuildContext(prefix=prefix)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
            stop.sendto(b"", ("127.0.0.77", 53))
        thread.join()


@contextlib.contextmanager
def model_file(folder: Path) -> Iterator[BuildContext]:
    """Hand over a large file."""
    if not hasattr(os, "posix_fadvise"):
        raise CannotRunError("pages cannot be dropped from the page cache: no posix_fadvise")
    path = folder / "model.bin"
    with path.open("wb") as file:
        megabyte = os.urandom(1_000_000)
        for _ in range(MODEL_BYTES // 1_000_000):
            file.write(megabyte)
        os.fsync(file.fileno())
    yield BuildContext((str(path),))
    path.unlink()


@contextlib.contextmanager
def fifth_of_a_core(_folder: Path) -> Iterator[BuildContext]:
    """Hand over a control group with a quota of a fifth of a core, of whichever version can be made here."""
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
        yield BuildContext((str(group),))
        group.rmdir()
        return
    raise CannotRunError("no control group with a quota can be made")


@contextlib.contextmanager
def one_core(_folder: Path) -> Iterator[BuildContext]:
    """Check that a process can be bound to a core."""
    if not hasattr(os, "sched_setaffinity"):
        raise CannotRunError("processes cannot be bound to a core")
    yield BuildContext()


@dataclass(frozen=True)
class Case:
    """A service, and what the product is to say of it."""

    service: str
    causes: tuple[str, ...]
    """Any of these is right."""
    around: Callable[[Path], contextlib.AbstractContextManager[BuildContext]] = nothing
    besides: tuple[str, ...] = ("cpu_wait",)
    """Causes that a busy machine adds: tests, whose machine may not be quiet, leave them out of the comparison."""
    holds_interpreter: bool = False
    """Whether a single call in C holds the interpreter throughout: the watcher rarely gets a look, so the line is often missing."""
    may_be_fast: bool = False
    """Whether this machine's disk may be so fast that nothing is slow."""

    def line(self) -> str:
        """Return `file:line` of the line that is marked."""
        lines = (SERVICES / f"{self.service}.py").read_text().splitlines()
        (number,) = [n for n, line in enumerate(lines, 1) if "# planted" in line]
        return f"{self.service}.py:{number} "

    def run(self, folder: Path, surroundings: BuildContext) -> Seen:
        """Run the service once, under the launcher with everything as it is by default."""
        app = Path(shutil.copy(SERVICES / f"{self.service}.py", folder))
        done = subprocess.run(
            [*surroundings.prefix, *command(app, *surroundings.arguments)],
            env=environment(OTEL_METRICS_EXPORTER="none"),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert "failed and was skipped" not in done.stderr, done.stderr[-3000:]
        return seen_in(read(done.returncode, done.stdout, done.stderr))

    def runs(self, count: int) -> Iterator[Seen]:
        """Run the service several times; raise `CannotRunError` where this machine cannot."""
        with tempfile.TemporaryDirectory(prefix="planted-") as folder, self.around(Path(folder)) as surroundings:
            for number in range(count):
                each = Path(folder, str(number))
                each.mkdir()
                yield self.run(each, surroundings)


@functools.cache
def cases() -> dict[str, Case]:
    """Return all cases, by their service."""
    # Printing thousands of spans, by a thread of this process, takes the interpreter from the services that make many calls.
    printing = ("cpu_wait", "gil")
    found = (
        Case("gc_storm", ("gc",)),
        Case("gil_hog", ("gil",)),
        Case("held_lock", ("lock",)),
        Case("retry", ("sleep",)),
        Case("heavy_numpy", ("cpu", "native_threads")),
        Case("quadratic", ("cpu",)),
        Case("large_pickle", ("cpu",), holds_interpreter=True),
        Case("lazy_import", ("import",)),
        Case("blocked_loop", ("event_loop",)),
        Case("converter", ("subprocess",)),
        Case("n_plus_one", ("downstream",), data_path, printing),
        Case("small_pool", ("pool_wait",), data_path),
        Case("fsync", ("disk",), data_path, printing),
        # Where the disk is fast, what the kernel computes for it takes longer.
        Case("cold_pages", ("disk",), model_file, ("cpu_wait", "cpu"), may_be_fast=True),
        Case("mapped_model", ("page_faults",), model_file, ("cpu_wait", "cpu"), may_be_fast=True),
        Case("cold_cache", ("cache_miss",), redis_socket, printing),
        Case("plain_http", ("downstream",), slow_http_server),
        Case("slow_names", ("downstream",), slow_name_server),
        Case("neighbour", ("cpu_wait",), one_core, ()),
        Case("quota", ("cpu_throttled",), fifth_of_a_core),
    )
    return {case.service: case for case in found}
