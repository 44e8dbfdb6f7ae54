"""Jaeger v2."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.integration.servers import free_port
from tests.real.collector import RunningCollector
from tests.real.go_module import GoModule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = "github.com/jaegertracing/jaeger"
_JAEGER = GoModule("Jaeger", _NAME, "v1.76.0", {"jaeger": f"{_NAME}/cmd/jaeger"})


def built_jaeger() -> Path:
    """Return Jaeger's binary; where it cannot be built, skip the test, and fail it in CI."""
    return _JAEGER.built() / "jaeger"


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
