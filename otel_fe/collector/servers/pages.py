"""The collector's own HTTP endpoints: health for orchestrators; metrics and decision records for this machine only."""

from __future__ import annotations

import asyncio
import json
import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector import own_metrics
from otel_fe.collector.servers.daemon_pool import DaemonPool
from otel_fe.collector.servers.endpoints import Endpoint, host_name
from otel_fe.collector.servers.http_messages import HttpRequest, Response, Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from otel_fe.collector.accounts import Sample
    from otel_fe.config.extensions import HealthCheck

_JSON: Final = "application/json"
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_THREADS: Final = 2
_TERMS: Final = Terms(0, Response(413, b"send no body\n"))


class HealthPage:
    """The extension `health_check`: 200 while the collector runs, 503 before and after.

    Args:
        settings: Of the extension.
    """

    def __init__(self, settings: HealthCheck) -> None:
        self._settings = settings
        self._since = time.time()
        self._since_s = time.monotonic()
        self.ready = False

    def look(self, request: HttpRequest) -> Terms | Response:
        """Answer; see `Look`."""
        settings = self._settings
        if request.path != settings.path and request.path != f"/{settings.path.lstrip('/')}":
            return Response(404, b"not found\n")
        status, given = (200, settings.healthy_body) if self.ready else (503, settings.unhealthy_body)
        if given:
            return Response(status, given.encode())
        said: dict[str, Any] = {"status": "Server available" if self.ready else "Server not available"}
        if self.ready:
            said["upSince"] = datetime.fromtimestamp(self._since, timezone.utc).isoformat()
            said["uptime"] = f"{time.monotonic() - self._since_s:.3f}s"
        return Response(status, json.dumps(said).encode(), _JSON)

    async def answer(self, request: HttpRequest) -> Response:
        """Never called: the pages use only the head of a request."""
        found = self.look(request)
        return found if isinstance(found, Response) else Response(404)


class AdminPage:
    """`/metrics` for Prometheus, `/state` and `/decisions/TRACE_ID` for `otel-fe`.

    Args:
        samples: Returns the figures.
        explain: Returns what is known of a trace.
        metrics: Whether there is a `/metrics` (`service::telemetry::metrics::level`).
    """

    def __init__(
        self, samples: Callable[[], Sequence[Sample]], explain: Callable[[int], dict[str, Any]], *, metrics: bool = True
    ) -> None:
        self._samples = samples
        self._explain = explain
        self._metrics = metrics
        self._pool = DaemonPool(_THREADS, "otel-fe-page")

    def look(self, request: HttpRequest) -> Terms | Response:
        """Refuse what is no question from this machine; see `Look`."""
        if request.method not in ("GET", "HEAD"):
            return Response(405, b"use GET\n", headers=(("allow", "GET"),))
        # A web page elsewhere whose name was pointed to this machine would send its own name.
        if not Endpoint(host_name(request.headers.get("host", "")), 0).loopback:
            return Response(403, b"ask by the name of localhost\n")
        return _TERMS

    async def answer(self, request: HttpRequest) -> Response:
        """Answer; see `Answer`."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, request)

    def _answer(self, request: HttpRequest) -> Response:
        if request.path == "/metrics" and self._metrics:
            return Response(200, own_metrics.prometheus_text(self._samples()).encode(), own_metrics.PROMETHEUS_TYPE)
        if request.path == "/state":
            return _json(200, {"samples": list(self._samples())})
        name = request.path.removeprefix("/decisions/")
        if name != request.path:
            if not _TRACE_ID.fullmatch(name):
                return _json(400, {"error": "a trace id has 32 hexadecimal digits"})
            found = self._explain(int(name, 16))
            return _json(404 if found["state"] == "unknown" else 200, found)
        return Response(404, b"not found; there are /metrics, /state and /decisions/TRACE_ID\n")


def _json(status: int, content: dict[str, Any]) -> Response:
    return Response(status, json.dumps(content).encode(), _JSON)
