"""Runs inside the environment that has Ray: starts a cluster with the example application, and does what it is told on stdin.

Each line is a JSON list of a command and its arguments, each answer one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import app
import ray
from ray import serve

from otel_fe.errors import OtelFeError
from otel_fe.ray_integration import RayServeIntegration
from otel_fe.testing import FakeClock

URL = "http://127.0.0.1:8000/?user=7"


class Commands:
    """What the tests may ask for."""

    def __init__(self) -> None:
        self.integration = RayServeIntegration(interval_s=0.5)

    def request(self, traceparent=None):
        headers = {"traceparent": traceparent} if traceparent else {}
        with urllib.request.urlopen(urllib.request.Request(URL, headers=headers), timeout=60) as answer:
            return json.loads(answer.read())

    def load(self, requests, at_once):
        with ThreadPoolExecutor(at_once) as pool:
            return len(list(pool.map(lambda _: self.request(), range(requests))))

    def task(self):
        """Submit a task outside of any trace."""
        return ray.get(app.embed.remote("plain"))

    def handle(self):
        """Call a deployment from the driver."""
        return serve.get_deployment_handle("Profiles", "default").features.remote(3).result()

    def stats(self):
        return plain(self.integration.get_unified_performance_stats())

    def focus(self):
        """Have `focused_stats` tell of what happens from here on: the window has moved past all that went before."""
        clock = FakeClock()
        self.focused = RayServeIntegration(window_s=60, clock=clock)
        self.focused.get_unified_performance_stats()
        clock.advance(61)

    def focused_stats(self):
        return plain(self.focused.get_unified_performance_stats())

    def sync(self, metrics):
        self.integration.sync_feature_extraction_metrics(metrics)

    def sync_monitor(self):
        from otel_fe.monitoring import FeatureExtractionPerformanceMonitor

        monitor = FeatureExtractionPerformanceMonitor()
        for ms in (10, 20, 30):
            monitor.start_extraction()
            monitor.end_extraction(duration_ms=ms, used_cache=True)
        self.integration.sync_feature_extraction_metrics(monitor.get_performance_stats())

    def refused(self, metrics):
        try:
            self.integration.sync_feature_extraction_metrics(metrics)
        except (TypeError, ValueError, OtelFeError) as error:
            return f"{type(error).__name__}: {error}"

    def background(self, seconds):
        """Run the background task for a while, and stop it; return its threads then and now, and how often it read."""
        import threading

        def threads():
            return sum(thread.name == "otel-fe-background" for thread in threading.enumerate())

        before, number = threads(), self.integration._totals._number
        with self.integration:
            time.sleep(seconds)
            during = threads()
        self.integration.stop()
        return [during - before, threads() - before, self.integration._totals._number - number]

    def exposition(self, prefix):
        node = ray.nodes()[0]
        url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        with urllib.request.urlopen(url) as answer:
            return [line for line in answer.read().decode().splitlines() if line.startswith(prefix)]

    def replicas(self):
        names = [one["name"] for one in ray.util.list_named_actors(all_namespaces=True)]
        return sorted(name for name in names if name.startswith("SERVE_REPLICA::default#Profiles#"))

    def kill(self, name):
        ray.kill(ray.get_actor(name, namespace="serve"))

    def redeploy(self):
        serve.run(app.Front.bind(app.Profiles.options(ray_actor_options={"num_cpus": 0.11}).bind()))

    def shut_serve_down(self):
        serve.shutdown()


def plain(value):
    """Return results as what JSON has."""
    if hasattr(value, "keys"):
        return {key: plain(value[key]) for key in value}
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def main() -> None:
    options = (
        {}
        if os.environ.get("RAY_RUNTIME_ENV_HOOK")
        else {"worker_process_setup_hook": "otel_fe.ray_integration.setup_worker"}
    )
    ray.init(
        num_cpus=2,
        object_store_memory=200_000_000,
        include_dashboard=False,
        runtime_env=options,
        _system_config={"metrics_report_interval_ms": 300},
    )
    out = os.fdopen(int(sys.argv[1]), "w")
    try:
        serve.run(app.application)
        commands = Commands()
        print(json.dumps("ready"), file=out, flush=True)
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            print(json.dumps(getattr(commands, name)(*arguments)), file=out, flush=True)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
