"""The losses of a fleet while a part of it is absent."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest

from tests.real.arrivals import arrived, settled, slow, wanted
from tests.real.fleet import agent, files, fleet, send, until
from tests.unit.collector.running import backend

pytestmark = pytest.mark.timeout(400)
RECEIVED = "otelcol_processor_tail_sampling_new_trace_id_received"
DECIDED = "otelcol_processor_tail_sampling_global_count_traces_sampled"
TRACES = 600


def test_a_killed_sampler_s_traces_move_and_its_pending_ones_are_lost_and_counted(tmp_path):
    """A killed sampler's undecided traces are lost, and two counters differ by their number; later traces go to the other one."""
    with ExitStack() as stack:
        sinks = [stack.enter_context(backend()) for _ in range(2)]
        endpoints = [f"127.0.0.1:{sink.port}" for sink in sinks]
        front, (first, second) = stack.enter_context(fleet(tmp_path, endpoints, decision_wait="12s"))
        send(front.port, 0, TRACES)
        until(lambda: first.count(RECEIVED) + second.count(RECEIVED) == TRACES)
        owned = [first.count(RECEIVED), second.count(RECEIVED)]
        assert min(owned) > TRACES / 4
        decided = second.count(DECIDED)
        second.kill()
        front.stop()
        lost = owned[1] - decided
        front = stack.enter_context(agent(files("12s"), tmp_path, [first.port]))
        send(front.port, TRACES, 2 * TRACES)
        found = settled(sinks[:1], wanted(TRACES, 2 * TRACES))
        assert wanted(TRACES, 2 * TRACES) < found.keys()
        missing = wanted(0, TRACES) - arrived(*sinks).keys()
        assert 0 < len(missing) <= lost
        assert first.count(RECEIVED) == owned[0] + TRACES


def test_nothing_kept_is_lost_while_the_backend_is_away_for_a_minute(tmp_path):
    """No kept trace is lost or sent twice, even if one sampler is stopped, one killed, and then the agent without both."""
    with ExitStack() as stack:
        # Bound but not listening: the ports refuse connections, and no other process can take them.
        held = [stack.enter_context(socket.socket()) for _ in range(2)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in held]
        front, (first, second) = stack.enter_context(fleet(tmp_path, [f"127.0.0.1:{port}" for port in ports]))
        gone = time.monotonic()
        send(front.port, 0, 200)
        until(lambda: first.count(DECIDED) + second.count(DECIDED) == 200)
        first.stop()
        second.kill()
        send(front.port, 200, 400)
        until(lambda: front.count("otelcol_exporter_queue_size") > 0)
        front.kill()
        stack.enter_context(front)
        stack.enter_context(first)
        # Requests hold traces of both: the one that is back gets its part, maybe later than it decides, and must not get it again.
        send(front.port, 400, 600)
        _until_s(gone, 40)
        stack.enter_context(second)
        until(lambda: first.count(DECIDED) + second.count(DECIDED) == 400)
        _until_s(gone, 60)
        for one in held:
            one.close()
        sinks = [stack.enter_context(backend(port)) for port in ports]
        found = settled(sinks, wanted(0, 200), slow(200, TRACES))
        assert set(map(tuple, found.values())) == {(0, 0), (1, 1)}


def _until_s(since, seconds):
    """Sleep until so many seconds after a moment."""
    time.sleep(max(0.0, since + seconds - time.monotonic()))
