"""The page that `otel-fe collector` itself serves, in a real browser: from a slow extraction to its trace, with nothing else started."""

from __future__ import annotations

import pytest

from tests.integration.test_collector_dashboard import child, served
from tests.unit.collector.running import config, send, until

KEEP = "{name: slow, type: latency, latency: {threshold_ms: 100}}, {name: rest, type: always_sample}"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_slow_extraction_is_found_on_the_collectors_own_page(page, tmp_path, workers):
    """Sent, seen on the heat map, clicked, explained; and the page is still there after its process was killed."""
    link = "http://localhost:16686/trace/{trace_id}"
    with served(tmp_path, "--workers", workers, "--trace-url", link, text=config(policies=KEEP)) as collector:
        page.goto(collector.url)
        assert page.get_by_role("heading", name="No data yet").is_visible()
        for number in range(1, 20):
            send(collector.grpc, number << 64 | number, name="feature_extraction quick")
        send(collector.grpc, 0xF00D << 64, slow=True, name="feature_extraction shop")
        until(lambda: _loaded(page, f"{collector.url}explore?range=15m&low=150.000000"), told=lambda: collector.log)
        page.locator("table.traces tbody tr th a").first.click()
        assert f"/trace/{0xF00D << 64:032x}" in page.url
        assert page.locator("#why").inner_text().startswith("kept by `slow`:")
        assert (
            page.get_by_text("Open in Jaeger").get_attribute("href")
            == f"http://localhost:16686/trace/{0xF00D << 64:032x}"
        )
        page.get_by_role("link", name="Policies").click()
        assert "threshold_ms: 100" in page.locator("#policy").input_value()
        assert page.complaints == []
        child(collector).kill()
        collector.until("restarting it")
        until(lambda: _answers(page, collector.url))
        page.get_by_role("link", name="Explore").click()
        assert page.locator("#heat a").count() > 0
        collector.stop()


def _loaded(page, url):
    page.goto(url)
    return page.locator("table.traces tbody tr").count()


def _answers(page, url):
    from playwright.sync_api import Error

    try:
        return page.goto(url).ok
    except Error:
        return False
