"""One Collector of a fleet, by one of the files that `otel-fe render collector` writes."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.servers import free_port
from tests.real.collector import CollectorBuild, RunningCollector, built_collector
from tests.real.parts import declare

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "collector_config"
MANIFEST = FOLDER / "builder.yaml"

declare(CollectorBuild(MANIFEST))


class Tier(RunningCollector):
    """Stopped or killed and entered again, it comes back at the same ports and with the same queue.

    Args:
        config: A rendered file.
        folder: Where its configuration, its log and its queue lie.
        name: What its metrics call it.
        settings: `OTEL_FE_…` beside those that this gives.
        address: Of the loopback, which it listens to.
        port: For OTLP over gRPC; 0 for a free one.
        within: A command that runs the Collector's.
    """

    def __init__(
        self,
        config: str,
        folder: Path,
        name: str,
        settings: dict[str, str],
        address: str = "127.0.0.1",
        port: int = 0,
        within: Sequence[str] = (),
    ) -> None:
        # As compose and Kubernetes start it; the agent has no component that knows these.
        (gates,) = re.findall(r"^# --feature-gates=(.*)$", config, re.MULTILINE) or [""]
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.own_metrics = port or free_port(), free_port()
        environ = {
            "OTEL_FE_GRPC_ENDPOINT": f"{address}:{self.port}",
            "OTEL_FE_HTTP_ENDPOINT": f"{address}:0",
            "OTEL_FE_HEALTH_ENDPOINT": f"{address}:0",
            "OTEL_FE_OWN_METRICS_HOST": "127.0.0.1",
            "OTEL_FE_OWN_METRICS_PORT": str(self.own_metrics),
            "OTEL_FE_QUEUE_FOLDER": str(folder / "queue"),
            "HOSTNAME": name,
            **settings,
        }
        options = gates.split(",") if gates else ()
        receivers = [(address, self.port)]
        super().__init__(built_collector(MANIFEST), config, folder, receivers, options, environ, within)

    def page(self) -> str:
        """Return its own metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.own_metrics}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def count(self, name: str, label: str = "") -> float:
        """Return one of its own counters or gauges, added up over labels; only those that have a label, where one is given."""
        labels = rf"\{{.*{label}.*\}}" if label else r"(?:\{.*\})?"
        return sum(map(float, re.findall(rf"^{name}(?:_total)?{labels} (\S+)$", self.page(), re.MULTILINE)))
