"""Jaeger v2, built from its module once and kept in the cache."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.conftest import missing
from tests.integration.servers import free_port
from tests.real.collector import RunningCollector
from tests.real.go import Unavailable, cache_folder, go_binary, run

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULE = "github.com/jaegertracing/jaeger"
_VERSION = "v1.76.0"


def built_jaeger() -> Path:
    """Return Jaeger's binary; where it cannot be built, skip the test, and fail it in CI."""
    try:
        return _cached()
    except Unavailable as fault:
        missing(f"Jaeger ({fault})")
        raise


def _cached() -> Path:
    cache = cache_folder()
    binary = cache / f"jaeger-{_VERSION}" / "jaeger"
    if not binary.exists():
        with (cache / "build.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Whoever held the lock before may have built it.
            if not binary.exists():
                _build(cache, binary)
    return binary


def _build(cache: Path, binary: Path) -> None:
    """Build it in a module of our own that requires what Jaeger's does: `go install` refuses a module with replacements."""
    go = go_binary()
    making = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    try:
        found = json.loads(run([go, "mod", "download", "-json", f"{_MODULE}@{_VERSION}"], cwd=making))
        source = Path(found["Dir"])
        (making / "go.mod").write_text(re.sub(r"(?m)^module .*$", "module scratch", (source / "go.mod").read_text()))
        (making / "go.sum").write_bytes((source / "go.sum").read_bytes())
        run([go, "mod", "edit", "-require", f"{_MODULE}@{_VERSION}"], cwd=making)
        run([go, "build", "-o", "jaeger", f"{_MODULE}/cmd/jaeger"], cwd=making, env=environment)
        binary.parent.mkdir(exist_ok=True)
        (making / "jaeger").rename(binary)
    finally:
        shutil.rmtree(making, ignore_errors=True)


@contextmanager
def jaeger(folder: Path, config: Path) -> Iterator[tuple[int, int]]:
    """Run Jaeger by a rendered file; yields the ports of OTLP over gRPC and of its queries. It is killed, since it keeps nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = {name: free_port() for name in ("GRPC", "HTTP", "QUERY_HTTP", "QUERY_GRPC")}
    environ = {f"OTEL_FE_JAEGER_{name}_ENDPOINT": f"127.0.0.1:{port}" for name, port in ports.items()}
    environ |= {
        "OTEL_FE_JAEGER_OWN_METRICS_HOST": "127.0.0.1",
        "OTEL_FE_JAEGER_OWN_METRICS_PORT": str(free_port()),
    }
    process = RunningCollector(
        built_jaeger(), config.read_text(), folder, [ports["GRPC"], ports["QUERY_HTTP"]], environ=environ
    )
    with process:
        yield ports["GRPC"], ports["QUERY_HTTP"]
        process.kill()
