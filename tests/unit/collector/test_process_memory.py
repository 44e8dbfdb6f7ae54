"""The memory of a collector's process: imports, arenas, and memory that is returned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

GLIBC = Path("/lib64/ld-linux-x86-64.so.2").exists() or Path("/lib/ld-linux-aarch64.so.1").exists()
NEEDS_GLIBC = pytest.mark.skipif(not GLIBC, reason="other C libraries have no arenas, and no malloc_trim")

GRPC = """
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}}}}
processors: {tail_sampling: {policies: [{name: slow, type: latency, latency: {threshold_ms: 100}}]}}
connectors: {span_metrics: {}}
exporters: {otlp_grpc: {endpoint: "127.0.0.1:1", tls: {insecure: true}}}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp_grpc, span_metrics]}
    metrics: {receivers: [span_metrics], exporters: [otlp_grpc]}
"""
HTTP = (
    GRPC.replace("grpc: {endpoint", "http: {endpoint")
    .replace("otlp_grpc", "otlp_http")
    .replace('"127.0.0.1:1"', "http://127.0.0.1:1")
)


def said(source: str, *arguments: str, **environ: str) -> list[str]:
    """Run a program of its own, and return its lines."""
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments], capture_output=True, text=True, check=False, env=environ or None
    )
    assert done.returncode == 0, done.stderr
    return (done.stdout + done.stderr).splitlines()


STARTED = """
import sys
from otel_fe.clock import SystemClock
from otel_fe.collector.collector import Collector
from otel_fe.collector.servers.loop import Loop
from otel_fe.config.collector import read_collector_config

loop = Loop()
collector = Collector(read_collector_config(sys.argv[1], "it", {}), SystemClock(), loop)
collector.start()
found = sorted(name for name in sys.modules if name.count(".") < 3)
collector.stop(1)
loop.close()
print(*found, sep="\\n")
"""


@pytest.mark.parametrize(
    ("config", "without"),
    [
        (GRPC, {"urllib3", "h11", "otel_fe.collector.servers.otlp_http", "otel_fe.collector.servers.tokens"}),
        (HTTP, {"grpc"}),
    ],
    ids=["grpc", "http"],
)
def test_a_collector_imports_what_its_configuration_needs(config, without):
    """The collector imports neither the store nor a transport, protocol or language that its configuration does not use."""
    found = set(said(STARTED, config))
    never = {
        "otel_fe.store",
        "otel_fe.alerting",
        "otel_fe.live",
        "sqlite3",
        "psutil",
        "opentelemetry.sdk",
        "otel_fe.pipeline.ottl",
    }
    assert not found & (never | without)


def test_who_only_starts_workers_imports_no_grpc():
    """The supervisor's process neither receives nor sends."""
    source = "import sys, otel_fe.collector.serving, otel_fe.collector.workers.supervisor; print(*sys.modules)"
    (found,) = said(source)
    assert "otel_fe.collector.serving" in found.split()
    assert not {"grpc", "otel_fe.store", "otel_fe.collector.collector"} & set(found.split())


ARENAS = """
import ctypes, threading
from otel_fe.collector.process_memory import share_arenas

share_arenas()
held, all_there = [], threading.Barrier(4)
def hold():
    held.append([bytearray(5_000) for _ in range(100)])
    all_there.wait()
threads = [threading.Thread(target=hold) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
ctypes.CDLL(None).malloc_stats()
"""


@NEEDS_GLIBC
@pytest.mark.parametrize(("environ", "arenas"), [({}, 1), ({"MALLOC_ARENA_MAX": "3"}, 3)], ids=["ours", "the host's"])
def test_threads_share_an_arena(environ, arenas):
    """Unless the environment already sets their number."""
    lines = said(ARENAS, PATH="", **environ)
    assert len([line for line in lines if line.startswith("Arena ")]) == arenas


@pytest.mark.parametrize(
    ("missing", "config", "message"),
    [
        ("urllib3", HTTP, "sending OTLP needs"),
        ("h11", HTTP, "receiving OTLP needs"),
        ("grpc", GRPC, "sending OTLP needs"),
    ],
)
def test_what_is_not_installed_is_named_when_it_is_asked_for(missing, config, message):
    """A missing extra, also of a configuration loaded later, raises an error of otel_fe's that the collector survives."""
    source = f"""
import sys
sys.modules[{missing!r}] = None
from otel_fe.errors import MissingExtraError
try:
    exec({STARTED!r})
except MissingExtraError as error:
    print(error)
    loop.close()
"""
    assert any(message in line for line in said(source, config)), said(source, config)


def test_what_was_put_off_is_there_when_somebody_asks_for_it():
    """A deferred module is imported once, under its own name and as part of its package; a loaded one stays."""
    source = """
import sys
from otel_fe.collector.process_memory import put_off

put_off("grpc.aio")
put_off("json")
import grpc

stand_in = grpc.aio
print("grpc.aio._server" in sys.modules)
print(stand_in.server.__module__)
import grpc.aio
print(grpc.aio is sys.modules["grpc.aio"] is not stand_in, grpc.aio.server is stand_in.server)
import json
put_off("json")
print(json.dumps({}), type(sys.modules["json"]).__name__)
"""
    assert said(source) == ["False", "grpc.aio._server", "True True", "{} module"]


def test_a_collector_that_receives_by_grpc_has_no_other_tls():
    """A gRPC collector imports neither `ssl` nor `grpc.aio`, which would take a tenth of its memory."""
    source = "import otel_fe.collector.serving; from otel_fe.collector.process_memory import put_off; put_off()"
    assert not {"_ssl", "grpc.aio._server"} & set(said(source + STARTED, GRPC))
