"""Runs inside the environment that has Ray: starts a cluster with the example application, and runs the commands from stdin.

Each line is a JSON list of a command and its arguments, each answer one line of JSON.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import app
import ray
from ray import serve
from starting import start

from otel_fe.errors import OtelFeError
from otel_fe.ray_integration import RayServeIntegration
from otel_fe.testing import FakeClock

PATIENCE_S = 240
"""For whatever may take long on a slow machine."""
DAY_S = 86_400


class Commands:
    """The commands that a test may send to the driver."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/?user=7"
        self.integration = RayServeIntegration(interval_s=0.5, window_s=DAY_S)

    def request(self, traceparent=None):
        headers = {"traceparent": traceparent} if traceparent else {}
        with urllib.request.urlopen(urllib.request.Request(self.url, headers=headers), timeout=PATIENCE_S) as answer:
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

    def background(self):
        """Run the background task until it has read twice, and stop it; return its threads then and now."""

        def threads():
            return sum(thread.name == "otel-fe-background" for thread in threading.enumerate())

        before, number, deadline = threads(), self.integration._totals._number, time.monotonic() + PATIENCE_S
        with self.integration:
            during = threads()
            while self.integration._totals._number < number + 2:
                assert time.monotonic() < deadline, "it does not read"
                time.sleep(0.1)
        self.integration.stop()
        return [during - before, threads() - before]

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
        """Deploy anew while two clients go on asking; return how many answers they got."""
        done, answers = threading.Event(), []

        def ask():
            while not done.is_set():
                answers.append(self.request())

        with ThreadPoolExecutor(2) as pool:
            clients = [pool.submit(ask) for _ in range(2)]
            try:
                serve.run(application(ray_actor_options={"num_cpus": 0.11}))
            finally:
                done.set()
            for client in clients:
                client.result()
        return len(answers)

    def shut_serve_down(self):
        serve.shutdown()


def plain(value):
    """Return results as what JSON has."""
    if hasattr(value, "keys"):
        return {key: plain(value[key]) for key in value}
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def application(**options):
    """Return the example, whose replicas are given time to answer what they have begun."""
    profiles = app.Profiles.options(graceful_shutdown_timeout_s=PATIENCE_S, **options)
    return app.Front.options(graceful_shutdown_timeout_s=PATIENCE_S).bind(profiles.bind())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def main() -> None:
    options = (
        {}
        if os.environ.get("RAY_RUNTIME_ENV_HOOK")
        else {"worker_process_setup_hook": "otel_fe.ray_integration.setup_worker"}
    )
    start(
        num_cpus=2,
        object_store_memory=200_000_000,
        runtime_env=options,
        _system_config={"metrics_report_interval_ms": 300},
    )
    out = os.fdopen(int(sys.argv[1]), "w")
    try:
        port = free_port()
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(application())
        commands = Commands(port)
        print(json.dumps("ready"), file=out, flush=True)
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            print(json.dumps(getattr(commands, name)(*arguments)), file=out, flush=True)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
