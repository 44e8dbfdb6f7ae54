"""A collector's rounds: when something is due, and hardly ever else."""

from __future__ import annotations

import time

import pytest

from otel_fe.clock import SystemClock
from otel_fe.collector.collector import Collector
from otel_fe.collector.servers.loop import Loop
from otel_fe.config.collector import read_collector_config
from tests.unit.collector.running import request, until

CONFIG = """
receivers: {otlp: {protocols: {http: {endpoint: "localhost:0"}}}}
processors:
  tail_sampling: {decision_wait: 1s, policies: [{name: slow, type: latency, latency: {threshold_ms: 100}}]}
exporters: {nop: {}}
service: {pipelines: {traces: {receivers: [otlp], processors: [tail_sampling], exporters: [nop]}}}
"""


@pytest.fixture
def collector():
    loop = Loop()
    made = Collector(read_collector_config(CONFIG, "test.yaml", {}), SystemClock(), loop)
    made.start()
    yield made
    made.stop(1)
    loop.close()


@pytest.fixture
def rounds(collector, monkeypatch):
    """Return a list that grows by one a round."""
    tick, seen = collector.engine.tick, []
    monkeypatch.setattr(collector.engine, "tick", lambda: (seen.append(1), tick()))
    return seen


def take(collector, *traces, **kinds):
    collector.engine.take("otlp", "traces", request(*traces, **kinds).SerializeToString())


def sent(collector):
    return sum(collector.engine.parts.sampled[0].counters.sampled.values())


@pytest.mark.thorough
def test_at_rest_there_are_hardly_any(collector, rounds):
    """Ten a second would be all that it does."""
    time.sleep(1)
    assert len(rounds) <= 2
    take(collector, 1)
    take(collector, 2, slow=True)
    time.sleep(1)
    assert len(rounds) <= 4
    assert sent(collector) == 2


def test_what_nobody_comes_to_take_along_is_sent_by_one(collector):
    """The second waits for a pause to end, and no other request comes."""
    take(collector, 1, slow=True)
    take(collector, 2, slow=True)
    until(lambda: sent(collector) == 4, timeout_s=4)


def test_what_waits_is_decided_by_one(collector):
    """After the decision wait, though no request comes, nor anything else."""
    take(collector, 1, slow=True, rooted=False)
    until(lambda: sent(collector) == 2, timeout_s=4)


def test_after_a_reload_they_go_on(collector):
    """After a reload, rounds continue with the new configuration's wait and the traces that the old one left."""
    take(collector, 1, slow=True, rooted=False)
    collector.change(read_collector_config(CONFIG.replace("1s", "2s"), "test.yaml", {}))
    until(lambda: sent(collector) == 2, timeout_s=5)
