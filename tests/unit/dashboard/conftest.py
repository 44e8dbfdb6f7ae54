"""Fixtures of the dashboard's tests: a filled store, and a site over it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.page_context import PageContext, TraceLink
from otel_fe.dashboard.site import Question, Site
from otel_fe.testing import FakeClock
from tests.unit.dashboard.seeded import fill
from tests.unit.store.parts import HOUR, T0, bed

NOW = T0 + 3 * HOUR + 7_000_000_000
LINKS = (TraceLink("Jaeger", "http://localhost:16686/trace/{trace_id}"),)


class Asked:
    """A site, asked as a browser on this machine would."""

    def __init__(self, site, host="localhost:8899"):
        self.site = site
        self.host = host

    def answer(self, target, method="GET", body=b"", **headers):
        told = {"host": self.host} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.site.answer(Question(method, target, told, body))

    def text(self, target):
        found = self.answer(target)
        assert found.status == 200, (target, found.status, found.body[-500:])
        return found.body.decode()


class Elements(HTMLParser):
    """A page's elements and attributes, as an HTML parser finds them."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """Return a store with an hour of two services; its clock shows `NOW`."""
    with bed(tmp_path_factory.mktemp("dashboard") / "store", clock=FakeClock(NOW)) as made:
        fill(made.write, NOW, minutes=60, traces_a_minute=6)
        yield made


@pytest.fixture
def stored(filled):
    return PageContext(filled.reader, filled.directory, FakeClock(NOW), links=LINKS)


@pytest.fixture
def asked(stored):
    return Asked(Site(stored, Access(Endpoint("localhost", 8899))))


@pytest.fixture
def own(tmp_path):
    """Return an empty store of a test's own, and a site over it."""
    with bed(tmp_path / "store", clock=FakeClock(NOW)) as made:
        stored = PageContext(made.reader, made.directory, FakeClock(NOW), links=LINKS)
        yield made, Asked(Site(stored, Access(Endpoint("localhost", 8899))))
