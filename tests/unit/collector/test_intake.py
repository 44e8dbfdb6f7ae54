"""Requests while a reload puts another engine in the place of the one at work: none is refused for that."""

from __future__ import annotations

import threading
import time

import pytest

from otel_fe.collector.refusals import StoppingError
from otel_fe.collector.servers.intake import Intake, IntakeCounters
from otel_fe.collector.workers.peer_receiver import into_engine
from tests.unit.collector.parts import SAMPLED, PipelineBench
from tests.unit.collector.running import request


class Replacing:
    """A collector in the middle of a reload: the old engine is closed, the new one not there yet, the lock held."""

    def __init__(self):
        self.old, self.new = PipelineBench(SAMPLED).engine, PipelineBench(SAMPLED).engine
        self.new.lock = self.old.lock  # it outlives a reload
        self.now = self.old

    def while_it_lasts(self, act):
        """Act on a thread, and finish the reload a moment later; return what came of it."""
        found = []
        with self.old.lock:
            self.old.closed = True
            thread = threading.Thread(target=lambda: found.append(act()))
            thread.start()
            time.sleep(0.2)
            self.now = self.new
        thread.join(10)
        return found


@pytest.mark.parametrize("way", ["sender", "worker"])
def test_what_comes_in_the_middle_of_a_reload_is_taken_by_the_next(way):
    """A request during a reload is passed to the new engine, whether it comes from a sender or from another worker."""
    reload = Replacing()
    payload = request(1).SerializeToString()
    if way == "sender":
        intake = Intake(IntakeCounters("otlp", "grpc"), lambda: reload.now)
        found = reload.while_it_lasts(lambda: intake.take("traces", payload).rejected)
        assert found == [0]
        assert intake.received.refused == {}
    else:
        take = into_engine(lambda: reload.now)
        assert reload.while_it_lasts(lambda: take("otlp", payload)) == [2]
    assert reload.new.parts.sampled[0].sampler.pending[0] + reload.new.parts.sampled[0].counters.received > 0


def test_an_engine_that_ends_without_another_refuses():
    """An engine that ends without a replacement refuses requests: the collector is stopping."""
    engine = PipelineBench(SAMPLED).engine
    engine.closed = True
    intake = Intake(IntakeCounters("otlp", "grpc"), lambda: engine)
    with pytest.raises(StoppingError):
        intake.take("traces", request(1).SerializeToString())
    assert into_engine(lambda: engine)("otlp", request(1).SerializeToString()) == 0
