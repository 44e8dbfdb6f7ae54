"""Pages that stay empty by configuration say so, and what to write; they do not advise a longer window."""

from __future__ import annotations

import pytest

from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.active_configuration import InForce
from otel_fe.dashboard.page_context import PageContext
from otel_fe.dashboard.site import Site
from otel_fe.testing import FakeClock
from tests.unit.config.test_gaps import HEAD, METRICS, PLAIN, TRACES
from tests.unit.dashboard.conftest import NOW, Asked
from tests.unit.dashboard.seeded import kept, metrics
from tests.unit.store.parts import MINUTE, bed


@pytest.fixture
def pages(tmp_path):
    """Return what opens a store beside a configuration."""
    with bed(tmp_path / "store", clock=FakeClock(NOW)) as made:

        def opened(pipelines):
            config = InForce("x.yaml", HEAD + pipelines)
            return Asked(
                Site(
                    PageContext(made.reader, made.directory, FakeClock(NOW), config=config),
                    Access(Endpoint("localhost", 8899)),
                )
            )

        yield made, opened


def test_explore_without_tail_sampling_names_it(pages):
    store, opened = pages
    store.points(metrics(NOW // MINUTE * MINUTE - MINUTE, "shop", "user", 100, 1, 0, 10))
    page = opened(PLAIN + METRICS).text("/explore")
    assert "No `traces` pipeline has a `tail_sampling` processor" in page
    assert "Choose a longer window" not in page
    assert "Choose a longer window" in opened(TRACES + METRICS).text("/explore")


def test_the_overview_without_a_metrics_pipeline_names_it(pages):
    store, opened = pages
    store.write("trace", kept(0x100, NOW - 10**10, 150_000_000))
    page = opened(TRACES).text("/")
    assert "gRPC UNIMPLEMENTED" in page
    assert "within a minute" not in page
    assert "within a minute" in opened(TRACES + METRICS).text("/")
