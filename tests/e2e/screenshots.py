"""Pictures of each page, for the README: `python -m tests.e2e.screenshots FOLDER` fills a store, serves it, and looks at it."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from otel_fe.clock import SystemClock
from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.page_context import PageContext, TraceLink
from otel_fe.dashboard.server import DashboardServer
from otel_fe.dashboard.site import Site
from tests.e2e.conftest import CHROMIUM
from tests.unit.dashboard.seeded import fill
from tests.unit.store.parts import bed

VIEWS = {
    "overview": "",
    "explore": "explore?range=1h&feature_set=user_profile",
    "selection": "explore?range=15m&feature_set=user_profile&low=100.000000",
    "objectives": "slo?slo=latency&service=feature-service&feature_set=user_profile",
    "alerts": "alerts",
    "what-if": "resources?range=15m&feature_set=user_profile&hit_rate=85&pool_size=8",
    "policies": "policies",
}


def take(url: str, folder: Path, scheme: str) -> None:
    """Save a picture of each view in one colour scheme."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1440, "height": 960}, color_scheme=scheme).new_page()
        for name, path in VIEWS.items():
            page.goto(url + path)
            page.screenshot(path=folder / f"{name}-{scheme}.png")
        page.goto(url + VIEWS["selection"])
        page.locator("#selection").screenshot(path=folder / f"comparison-{scheme}.png")
        page.locator("table.traces tbody tr th a").first.click()
        page.locator(".fall summary").nth(1).click()
        page.screenshot(path=folder / f"trace-{scheme}.png")
        browser.close()


def main(folder: Path) -> None:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, bed(Path(name) / "store", clock=SystemClock()) as made:
        fill(made.write, time.time_ns())
        stored = PageContext(
            made.reader, made.directory, links=(TraceLink("Jaeger", "http://localhost:16686/trace/{trace_id}"),)
        )
        server = DashboardServer(Site(stored, Access(Endpoint("localhost", 0))), Endpoint("localhost", 0))
        server.start()
        for scheme in ("light", "dark"):
            take(server.url, folder, scheme)
        server.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
