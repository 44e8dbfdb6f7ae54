"""A stranger's walk from an empty folder to the cause, in a real browser: at most three clicks, and the page says it in words."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_fe import semconv
from otel_fe.clock import SystemClock
from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.page_context import PageContext
from otel_fe.dashboard.server import DashboardServer
from otel_fe.dashboard.site import Site
from otel_fe.dashboard.why_slow import MOST
from tests.unit.dashboard.seeded import MINUTE, NS, kept, metrics
from tests.unit.store.parts import bed, pairs

SERVICE = "feature_service"
STATEMENT = "SELECT amount FROM transactions WHERE user_id = ?"


class Planted(NamedTuple):
    """A feature set that is slow for one reason."""

    feature_set: str
    cause: str
    line: str
    words: str
    """On the first page."""


DEMO = (
    Planted("transaction_history", "downstream", "features.py:86 transaction_history", "in SELECT … transactions"),
    Planted("image_embedding", "cpu", "features.py:104 embed", "computing on the CPU"),
)
OTHERS = (
    Planted("waits_for_the_pool", "pool_wait", "db.py:12 checkout", "waiting for a pool connection"),
    Planted("waits_for_a_lock", "lock", "cache.py:31 refresh", "waiting for a lock"),
    Planted("waits_for_the_gil", "gil", "tokens.py:7 split", "waiting for the GIL"),
    Planted("collects_garbage", "gc", "graph.py:20 build", "in garbage collection"),
    Planted("reads_files", "disk", "files.py:9 load", "reading or writing files"),
)
"""Slow in this order: of the last two the table tells, since the sentences are of the worst five."""


def slow_trace(number, start_ns, planted):
    """Return a slow trace as a process sends it: its time by cause, its stacks, and the statement that it waited for."""
    made = kept(
        number,
        start_ns,
        150_000_000 + number % 7 * 10_000_000,
        SERVICE,
        planted.feature_set,
        "slow",
        cause=planted.cause,
    )
    request = ExportTraceServiceRequest.FromString(made.spans)
    for span in request.resource_spans[0].scope_spans[0].spans:
        if span.name.startswith("feature_extraction"):
            event = span.events.add(name=semconv.STACKS_EVENT)
            for key, text in (
                (semconv.STACKS_FOLDED, f"{planted.cause};app.py:1 main;{planted.line} 90000"),
                (semconv.STACKS_TOP, f"{planted.cause} {planted.line} 90000"),
            ):
                event.attributes.add(key=key).value.array_value.values.add(string_value=text)
        if span.name.startswith("SELECT"):
            span.attributes.extend(pairs({"db.query.text": STATEMENT}))
    (extraction,) = made.extractions
    return replace(
        made, spans=request.SerializeToString(), extractions=(replace(extraction, cache_hit=None, lookups=0, hits=0),)
    )


def fill(write, now_ns):
    """Write half a minute of seven slow feature sets, and one that is not."""
    begin = now_ns - 30 * NS
    for place, planted in enumerate((*DEMO, *OTHERS)):
        at = begin + place * NS // 7
        numbers = range(0x1000 * (place + 1), 0x1000 * (place + 1) + 25)
        write("trace", *(slow_trace(n, at + (n & 0xFF) * NS, planted) for n in numbers))
        fast = (kept(0x800 + n, at + (n & 0xFF) * NS, 20_000_000, SERVICE, planted.feature_set) for n in numbers)
        write("trace", *fast)
        write(
            "metrics",
            [metrics(now_ns // MINUTE * MINUTE - MINUTE, SERVICE, planted.feature_set, 600, 90 - place, 0, 0)],
        )
    write("metrics", [metrics(now_ns // MINUTE * MINUTE - MINUTE, SERVICE, "digit_segment", 600, 0, 0, 0)])


@pytest.fixture(scope="module")
def url(browser, tmp_path_factory):
    """Return where a dashboard is served whose store was empty when it was first opened."""
    with bed(tmp_path_factory.mktemp("walk") / "store", clock=SystemClock()) as made:
        server = DashboardServer(
            Site(PageContext(made.reader, made.directory), Access(Endpoint("localhost", 0))), Endpoint("localhost", 0)
        )
        server.start()
        page = browser.new_page()
        page.goto(server.url)
        assert "No data yet" in page.inner_text("main")
        page.close()
        fill(made.write, time.time_ns())
        yield server.url
        server.close()


class Walk:
    """A page, and the number of clicks."""

    def __init__(self, page, url):
        self.page, self.clicks = page, 0
        page.goto(url)

    def click(self, what):
        what.click()
        self.clicks += 1

    def ends_at(self, planted):
        """Say that the page names the cause and its line, after at most three clicks."""
        assert "/trace/" in self.page.url
        assert self.page.locator("#cause").get_attribute("data-cause") == planted.cause
        place, _, function = planted.line.partition(" ")
        told = self.page.locator("#line").inner_text()
        assert told.startswith("Main cause")
        assert place in told
        assert function in told
        assert self.clicks <= 3
        assert self.page.complaints == []


@pytest.mark.parametrize("planted", (*DEMO, *OTHERS)[:MOST], ids=lambda one: one.feature_set)
def test_a_sentence_on_the_first_page_leads_to_the_cause(page, url, planted):
    """The first page names the cause without a click; one click opens the slowest trace, which names the same cause."""
    walk = Walk(page, url)
    sentence = page.locator("#why li", has_text=f"{planted.feature_set}:")
    told = sentence.inner_text()
    assert "of slow time" in told
    assert planted.words in told
    assert planted.line in told
    walk.click(sentence.get_by_role("link", name="Slowest trace"))
    walk.ends_at(planted)
    assert walk.clicks == 1


@pytest.mark.parametrize("planted", [*DEMO, *OTHERS], ids=lambda one: one.feature_set)
def test_the_table_leads_to_the_cause_of_each_feature_set(page, url, planted):
    """A click on the name opens the heat map, and one on the first row, the slowest, its trace."""
    walk = Walk(page, url)
    assert "Nothing took 100 ms or more in digit_segment" in page.locator("#why").inner_text()
    walk.click(page.locator("#groups").get_by_role("link", name=planted.feature_set))
    assert planted.line.partition(" ")[2] in page.locator("#code").inner_text()
    walk.click(page.locator("table.traces tbody tr th a").first)
    walk.ends_at(planted)
