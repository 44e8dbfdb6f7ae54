"""`make soak ARGS="--minutes 60 --seed 7"`: one collector, with store, dashboard and two workers, under everything at once.

Well-behaved and hostile senders and an instrumented service send all the time. Meanwhile, in an order that the seed decides, workers
and the supervisor are killed, the disk of the queues fills up, the backend dies, refuses and drips, the configuration is
reloaded, and the wall clocks of the collector and of the service jump. At the end all that was acknowledged must have been
delivered, or have a name.

Two receivers: what the first one acknowledges goes through a queue on disk, and must survive all of this. What the second one
acknowledges is sampled, so it waits in memory for its decision, and a killed process takes what it has acknowledged in the last
moments: that, and no more.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from otel_fe.store import Selection, StoreReader
from tests.integration.servers import free_port
from tests.soak.backend import DEAD, DRIPPING, OK, REFUSING, Backend
from tests.soak.processes import bytes_in, children_of, command_of, resident_bytes
from tests.soak.report import Report
from tests.soak.traffic import Honest, Hostile
from tests.soak.wall_clock import MISSING, WallClock, clean_up, is_shown_to, preloads
from tests.unit.collector.running import Process, until

if TYPE_CHECKING:
    import psutil

QUEUE_MIB = 64
WAIT_S = 2
"""Of the sampler for its decision."""
JUMPS_S = (3_600, -3_600, 40, -40)
LONGEST_S = 30
"""No extraction of the service takes as long, however loaded the machine is; each jump of a clock is longer."""
CONFIG = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "localhost:0"}}, http: {{endpoint: "localhost:0"}}}}}}
  otlp/sampled: {{protocols: {{grpc: {{endpoint: "localhost:{service_port}"}}, http: {{endpoint: "localhost:0"}}}}}}
processors:
  memory_limiter: {{limit_mib: 700, check_interval: 200ms}}
  tail_sampling: {{decision_wait: {wait}s, policies: [{{name: all, type: always_sample}}]}}
exporters:
  otlp_http/plain: &exporter
    endpoint: "http://127.0.0.1:{port}/plain"
    timeout: 2s
    compression: {compression}
    retry_on_failure: {{initial_interval: 100ms, max_interval: 1s, max_elapsed_time: 0}}
    sending_queue: {{storage: file_storage, queue_size: 100000}}
  otlp_http/sampled: {{<<: *exporter, endpoint: "http://127.0.0.1:{port}/sampled"}}
extensions: {{file_storage: {{directory: "{queue}", create_directory: true}}}}
service:
  extensions: [file_storage]
  pipelines:
    traces: {{receivers: [otlp], processors: [memory_limiter], exporters: [otlp_http/plain]}}
    traces/sampled: {{receivers: [otlp/sampled], processors: [memory_limiter, tail_sampling], exporters: [otlp_http/sampled]}}
"""


class Soak:
    """One run.

    Args:
        folder: For all files.
        minutes: How long there is traffic.
        seed: Of everything that is random.
    """

    def __init__(self, folder: Path, minutes: float, seed: int):
        self.folder = folder
        self.report = Report()
        self._random = random.Random(seed)
        self._seed = seed
        self._minutes = minutes
        self._backend = Backend()
        self._service_port = free_port()
        """Where the service sends to: the same after each start."""
        self._stop = threading.Event()
        self._queue = folder / "queue"
        self._compression = "gzip"
        self._kills_s: list[float] = []
        """When a process was killed that held pending traces."""
        self._events: dict[str, int] = {}
        self._memory: list[tuple[float, int]] = []
        """Seconds of the run, and the resident bytes of the largest process."""
        self._clocks: dict[str, WallClock] = {}
        """Of the collector and of the service; empty without libfaketime."""
        self._jumps_s: list[int] = []
        """The next ones, the last of them first."""
        self._started: list[int] = []
        """Process ids."""
        self._collector: Process
        self._addresses: dict[str, str] = {}

    def run(self) -> Report:
        """Run, and return what was found."""
        mounted = self._mount()
        self._clocks = self._make_clocks()
        service = None
        try:
            self._start()
            service = self._serve()
            senders, hostile = self._senders()
            for one in (*senders, hostile):
                one.thread.start()
            self._disturb(mounted=mounted)
            self._finish(senders, hostile, service)
        finally:
            self._stop.set()
            if service is not None:
                service.kill()
                service.wait()
            if self._collector.process.poll() is None:
                self._collector.kill()
            self._backend.close()
            clean_up(self._started)
            if mounted:
                subprocess.run(["umount", "-l", self._queue], check=True)
        return self.report

    # --- its parts -------------------------------------------------------------------------------------------------------

    def _mount(self) -> bool:
        self._queue.mkdir()
        if os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", f"size={QUEUE_MIB}m", "tmpfs", self._queue]
            if subprocess.run(command, check=False, capture_output=True).returncode == 0:
                return True
        self.report.left_out.append("a full disk: only root can mount one of its own")
        return False

    def _make_clocks(self) -> dict[str, WallClock]:
        preloaded = preloads(self.folder)
        if not preloaded:
            self.report.left_out.append(MISSING)
            return {}
        return {name: WallClock(self.folder / f"{name}.clock", preloaded) for name in ("collector", "service")}

    def _environ_of(self, name: str) -> dict[str, str]:
        return self._clocks[name].environ if self._clocks else {}

    def _write_config(self) -> Path:
        file = self.folder / "collector.yaml"
        fields = {"port": self._backend.port, "service_port": self._service_port, "queue": self._queue, "wait": WAIT_S}
        file.write_text(CONFIG.format(compression=self._compression, **fields))
        return file

    def _start(self) -> None:
        file = self._write_config()
        if file.with_suffix(".log").exists():
            with (self.folder / "earlier.log").open("a") as earlier:
                earlier.write(file.with_suffix(".log").read_text())
        arguments = ("--workers", "2", "--store", str(self.folder / "store"), "--dashboard", "localhost:0")
        self._collector = collector = Process(file, *arguments, environ=self._environ_of("collector"))
        self._started.append(collector.process.pid)
        line = next(one for one in collector.log.splitlines() if "collector ready" in one)
        found = re.findall(r"OTLP/(gRPC|HTTP) on (\S+?)[,;]", line)
        plain, sampled = found[:2], found[2:]
        names = {f"{kind.lower()} plain": address for kind, address in plain}
        names |= {f"{kind.lower()} sampled": address for kind, address in sampled}
        names["dashboard"] = re.search(r"dashboard on http://(\S+?)/[,;]", line)[1]
        self._addresses = {name: address.replace("localhost", "127.0.0.1") for name, address in names.items()}

    def _target(self, pipeline):
        return lambda what: self._addresses[what if what == "dashboard" else f"{what} {pipeline}"]

    def _senders(self):
        kinds = [("grpc", "plain"), ("http", "plain"), ("grpc", "sampled"), ("http", "sampled")]
        senders = [Honest(n, self._target(to), protocol, self._stop) for n, (protocol, to) in enumerate(kinds, 1)]
        return senders, Hostile(self._random.random(), self._target("plain"), self._stop)

    def _serve(self) -> subprocess.Popen[bytes]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        environ |= {
            "OTEL_FE_TARGETS": "tests.soak.service:extract",
            "OTEL_SERVICE_NAME": "soak",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self._addresses['grpc sampled']}",
            "OTEL_FE_PIPELINE": "collector",
            **self._environ_of("service"),
        }
        launcher = Path(sys.executable).parent / "opentelemetry-instrument"
        code = "from tests.soak.service import main; main()"
        with (self.folder / "service.log").open("w") as log:
            command = [launcher, sys.executable, "-c", code, str(self._seed)]
            service = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        self._started.append(service.pid)
        return service

    # --- what happens to it ----------------------------------------------------------------------------------------------

    def _disturb(self, *, mounted: bool) -> None:
        began_s = time.monotonic()
        kinds = [self.kill_a_worker, self.kill_the_supervisor, self.restart, self.reload, self.break_the_backend]
        kinds += [self.fill_the_disk] if mounted else []
        kinds += [self.jump_the_clocks] if self._clocks else []
        order: list[object] = []
        next_s = 3.0
        while (now_s := time.monotonic() - began_s) < self._minutes * 60:
            self._measure(now_s)
            if now_s >= next_s:
                order = order or self._random.sample(kinds, len(kinds))  # each once, before any comes again
                event = order.pop()
                self._events[event.__name__] = self._events.get(event.__name__, 0) + 1
                event()
                next_s = time.monotonic() - began_s + self._random.uniform(2, 6)
            time.sleep(0.5)

    def _workers(self) -> list[psutil.Process]:
        return [
            one for one in children_of(self._collector.process.pid) if "otel-fe worker" in " ".join(command_of(one))
        ]

    def kill_a_worker(self) -> None:
        """`kill -9`."""
        workers = self._workers()
        if workers:
            self._kills_s.append(time.monotonic())
            self._random.choice(workers).kill()
            time.sleep(1)

    def kill_the_supervisor(self) -> None:
        """`kill -9`, and a start at once."""
        self._kills_s.append(time.monotonic())
        self._collector.kill()
        self._start()

    def restart(self) -> None:
        """SIGTERM, and a start."""
        self._collector.process.send_signal(signal.SIGTERM)
        try:
            self.report.check(self._collector.process.wait(20) == 0, "a stop did not end well")
        except subprocess.TimeoutExpired:
            self.report.problems.append("a stop took more than 20 s")
            self._kills_s.append(time.monotonic())
            self._collector.kill()
        self._collector.log_file.close()
        self._start()

    def reload(self) -> None:
        """SIGHUP, with another compression."""
        self._compression = "none" if self._compression == "gzip" else "gzip"
        self._write_config()
        self._collector.send_signal(signal.SIGHUP)
        time.sleep(1)

    def break_the_backend(self) -> None:
        """Make the backend fail in a random way for some seconds."""
        self._backend.mode = self._random.choice([DEAD, REFUSING, DRIPPING])
        time.sleep(self._random.uniform(3, 6))
        self._backend.mode = OK

    def fill_the_disk(self) -> None:
        """The queues', to the last byte, for some seconds, in which the backend refuses."""
        self._backend.mode = REFUSING
        ballast = self._queue / "ballast"
        try:
            with ballast.open("wb", buffering=0) as file:
                while file.write(bytes(1 << 20)):
                    pass
        except OSError:
            time.sleep(self._random.uniform(2, 4))
        ballast.unlink()
        self._backend.mode = OK

    def jump_the_clocks(self) -> None:
        """Seconds or an hour, forward or back: the collector's, the service's, or both."""
        self._jumps_s = self._jumps_s or self._random.sample(
            JUMPS_S, len(JUMPS_S)
        )  # each once: they end where they began
        seconds = self._jumps_s.pop()
        for name in self._random.choice([("collector",), ("service",), ("collector", "service")]):
            self._clocks[name].jump(seconds)
            error_s = self._clocks[name].error_s()
            self.report.check(error_s < 1, f"the clock of the {name} is {error_s:.1f} s from where it was put")
        shown = [is_shown_to(one.pid) for one in self._workers()]
        self.report.check(all(shown), "a worker does not see its clock jump")

    def _measure(self, now_s: float) -> None:
        sizes = [
            resident_bytes(one) for one in (self._collector.process.pid, *children_of(self._collector.process.pid))
        ]
        self._memory.append((now_s, max(sizes, default=0)))

    # --- what is found ---------------------------------------------------------------------------------------------------

    def _finish(self, senders: list[Honest], hostile: Hostile, service: subprocess.Popen[bytes]) -> None:
        self.report.check(service.poll() is None, "the service has ended")
        self._stop.set()
        for one in (*senders, hostile):
            one.thread.join(30)
            self.report.check(not one.thread.is_alive(), "a sender hangs")
        self._backend.mode = OK
        plain = {trace for sender in senders[:2] for trace, _ in sender.acknowledged}
        try:
            until(lambda: plain <= self._backend.delivered["plain"], timeout_s=60)
        except AssertionError:
            missing = len(plain - self._backend.delivered["plain"])
            self.report.problems.append(f"{missing} of {len(plain)} acknowledged traces were not delivered")
        time.sleep(WAIT_S + 2)
        self._collector.process.send_signal(signal.SIGTERM)
        self.report.check(self._collector.process.wait(20) == 0, "the last stop did not end well")
        self._collector.log_file.close()
        self._check_service()
        self._check_sampled(senders[2:])
        self._check_bounds(senders)
        self.report.check(not self._backend.malformed, f"{self._backend.malformed} malformed batches were sent on")
        self.report.check(not hostile.unexpected, f"attacks were answered {hostile.unexpected[:5]}")
        self.report.figures |= {
            "acknowledged, durable": len(plain),
            "delivered, durable": len(plain & self._backend.delivered["plain"]),
            "refused tries": {f"sender {n}": sender.refused for n, sender in enumerate(senders, 1)},
            "events": self._events,
            "attacks": hostile.attacks,
            "jumps of clocks": {name: f"{clock.jumps_s} s" for name, clock in self._clocks.items()},
            "last line": self._collector.log.strip().splitlines()[-1],
        }

    def _check_service(self) -> None:
        log = (self.folder / "service.log").read_text()
        self.report.check("Traceback" not in log, f"the service's log has an error: {log[-300:]}")
        with closing(StoreReader(self.folder / "store")) as reader:
            _, counted = reader.sums.good_and_total("latency", 0, 2**62, "soak")
            slowest = reader.traces.find(Selection(0, 2**62, service="soak"), order="slowest", limit=1)
        self.report.check(counted, "nothing of the service's extractions was counted")
        longest_s = max((one.extraction.duration_ns / 1e9 for one in slowest), default=0.0)
        self.report.check(0 < longest_s < LONGEST_S, f"an extraction of the service took {longest_s:.3f} s")
        self.report.figures["extractions of the service, counted"] = counted

    def _check_sampled(self, senders: list[Honest]) -> None:
        acknowledged = [one for sender in senders for one in sender.acknowledged]
        missing = [(trace, at_s) for trace, at_s in acknowledged if trace not in self._backend.delivered["sampled"]]
        # What a killed process held: acknowledged since the decision wait before, and some to get to the disk. The
        # workers of a killed supervisor take a moment to notice.
        held = [one for one in missing if any(at_s - WAIT_S - 3 <= one[1] <= at_s + 3 for at_s in self._kills_s)]
        lost = [at_s for _, at_s in sorted(set(missing) - set(held), key=lambda one: one[1])]
        after_s = [f"{min((at_s - one for one in self._kills_s), key=abs, default=0):.1f}" for at_s in lost[:10]]
        self.report.check(
            not lost,
            f"{len(lost)} acknowledged traces are missing that no killed process held (s after the nearest kill: {after_s})",
        )
        self._check_kept(min(set(acknowledged) - set(missing), key=lambda one: one[1], default=None))
        self.report.figures["acknowledged, sampled"] = len(acknowledged)
        self.report.figures["pending in killed processes"] = len(held)

    def _check_kept(self, oldest: tuple[bytes, float] | None) -> None:
        """Check that the store has the oldest trace that was delivered: no jump of a clock makes it too old."""
        with closing(StoreReader(self.folder / "store")) as reader:
            there = oldest is not None and reader.traces.by_id(int.from_bytes(oldest[0], "big")) is not None
        self.report.check(there, "the store has lost its oldest trace")

    def _check_bounds(self, senders: list[Honest]) -> None:
        seconds = sorted(second for sender in senders for second in sender.seconds)
        p99_s = seconds[int(len(seconds) * 0.99)] if seconds else 99.0
        self.report.check(p99_s < 5, f"honest senders waited {p99_s:.2f} s at p99")
        self.report.check(len(seconds) > 20 * self._minutes, f"only {len(seconds)} requests were acknowledged")
        quarters = [
            max((size for at_s, size in self._memory if _quarter(at_s, self._minutes) == q), default=0)
            for q in range(4)
        ]
        self.report.check(max(quarters) < 700 << 20, f"a process had {max(quarters) >> 20} MiB")
        flat = quarters[3] <= 1.5 * max(quarters[1], quarters[2]) + (64 << 20)
        self.report.check(flat, f"memory grows: {[one >> 20 for one in quarters]} MiB by quarters")
        queue, store = (bytes_in(self.folder / name) for name in ("queue", "store"))
        self.report.check(queue < QUEUE_MIB << 20, f"the queues hold {queue >> 20} MiB though all is delivered")
        self.report.check(store < 512 << 20, f"the store has {store >> 20} MiB")
        self.report.figures |= {
            "p99 of honest senders": f"{p99_s:.3f} s",
            "largest process by quarters": f"{[one >> 20 for one in quarters]} MiB",
            "queue and store": f"{queue >> 10} KiB, {store >> 10} KiB",
        }


def _quarter(at_s: float, minutes: float) -> int:
    return min(3, int(4 * at_s / (minutes * 60)))
