"""The embedded collector between the example service and the report: it fills the store, and feeds the user's own backend.

The standard `OTEL_EXPORTER_OTLP_*` variables name that backend. The service has decided what to keep, so the collector keeps all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from otel_fe.clock import SystemClock
from otel_fe.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_REPORT: Final = "otlp_grpc/report"
_SIGNALS: Final = ("traces", "metrics", "logs")
_GRACE_S: Final = 10.0
_PATIENCE: Final = {"enabled": True, "initial_interval": "200ms", "max_interval": "1s", "max_elapsed_time": "3s"}
"""Retries with a backend of the user's: an absent one delays nothing."""


@dataclass(slots=True)
class Forwarded:
    """The outcome of sending to the user's own backend."""

    endpoint: str
    sent: int = 0
    """Spans, data points and log records that the backend took."""
    failed: int = 0
    """Items that the backend did not take."""
    error: str = ""
    """Reason of the failure."""


class Collecting:
    """The running collector, until `close`.

    Args:
        report: Endpoint of the receiver that the report is made of.
        port: To listen on, on 127.0.0.1; 0 for a free one.
        store: Folder that kept traces and series are left in.
        environ: Variables that configure the backend.

    Raises:
        MissingExtraError: A library of the collector is not installed.
        OSError: The port is taken.
    """

    def __init__(self, report: str, port: int, store: Path, environ: Mapping[str, str]) -> None:
        try:
            from otel_fe.collector.collector import Collector  # noqa: PLC0415 an extra
            from otel_fe.collector.servers.loop import Loop  # noqa: PLC0415
            from otel_fe.collector.store_sink import StoreSink  # noqa: PLC0415
            from otel_fe.config.collector import read_collector_config  # noqa: PLC0415
            from otel_fe.store import Store  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise MissingExtraError("the demo", "demo") from error
        self._backend = _backend(environ)
        text = json.dumps(configuration(report, port, self._backend))
        config = read_collector_config(text, "the demo's collector", environ)
        self._loop = Loop()
        kept = Store(store)
        self._collector = Collector(config, SystemClock(), self._loop, keeping=StoreSink(kept, kept.counters))
        try:
            self._collector.start()
        except BaseException:
            self._loop.close()
            raise
        ((_, _, self._address),) = self._collector.listening

    @property
    def endpoint(self) -> str:
        """The value for `OTEL_EXPORTER_OTLP_ENDPOINT`."""
        return f"http://{self._address}"

    def close(self) -> Forwarded | None:
        """Send what is queued, for a while; return the outcome at the user's backend, if there is one."""
        self._collector.stop(_GRACE_S)
        self._loop.close()
        if self._backend is None:
            return None
        name, settings = self._backend
        result = Forwarded(settings["endpoint"])
        reasons = []
        for sample in self._collector.samples():
            labels = dict(sample.labels)
            if labels.get("exporter") != name:
                continue
            if sample.name == "otelcol_exporter_sent_items":
                result.sent = round(sample.value)
            elif sample.name == "otelcol_exporter_send_failed_items" and sample.value:
                result.failed += round(sample.value)
                reasons.append(labels["reason"])
        result.error = ", ".join(reasons)
        return result


def configuration(report: str, port: int, backend: tuple[str, dict[str, Any]] | None) -> dict[str, Any]:
    """Return the demo's configuration, as the Collector's YAML has it.

    Args:
        report: Endpoint of the receiver that the report is made of.
        port: To listen on.
        backend: The exporter to the user's backend, if there is one.
    """
    # One request at a time: the report uses the last value of each metric.
    to_report = {"endpoint": report, "tls": {"insecure": True}, "sending_queue": {"num_consumers": 1}}
    exporters = {_REPORT: to_report, **(dict([backend]) if backend else {})}
    pipelines: dict[str, Any] = {signal: {"receivers": ["otlp"], "exporters": list(exporters)} for signal in _SIGNALS}
    pipelines["traces"]["processors"] = ["tail_sampling"]
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}},
        "processors": {
            "tail_sampling": {"decision_wait": "1s", "policies": [{"name": "all", "type": "always_sample"}]}
        },
        "exporters": exporters,
        "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": pipelines},
    }


def _backend(environ: Mapping[str, str]) -> tuple[str, dict[str, Any]] | None:
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    if not endpoint:
        return None
    over_http = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").startswith("http/")
    settings: dict[str, Any] = {
        "endpoint": endpoint,
        "headers": dict(_headers(environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""))),
        "timeout": "3s",
        "retry_on_failure": _PATIENCE,
    }
    if not over_http:
        settings["tls"] = {"insecure": not endpoint.startswith("https://")}
    escaped: dict[str, Any] = json.loads(json.dumps(settings).replace("$", "$$"))
    return ("otlp_http/backend" if over_http else "otlp_grpc/backend"), escaped


def _headers(text: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return [(key.strip().lower(), unquote(value.strip())) for key, _, value in pairs]
