"""Spans on their way from one worker to another."""

from __future__ import annotations

import socket
import threading

import pytest

from otel_fe.collector.refusals import PressureError
from otel_fe.collector.workers import peer_sender as link_module
from otel_fe.collector.workers import span_router
from otel_fe.collector.workers.frames import frame, frames
from otel_fe.collector.workers.peer_receiver import PeerReceiver, into_engine
from otel_fe.collector.workers.span_router import SpanRouter
from otel_fe.wire.decode import decode
from tests.unit.collector.parts import SAMPLED, PipelineBench
from tests.unit.collector.running import request, until


def test_frames_are_read_as_they_were_written():
    """The last one may be cut off where the sender died: it is no frame."""
    left, right = socket.socketpair()
    with left, right:
        left.sendall(frame("otlp", b"abc") + frame("otlp/ü", b"") + frame("otlp", b"defg")[:-1])
        left.shutdown(socket.SHUT_WR)
        assert list(frames(right)) == [("otlp", b"abc"), ("otlp/ü", b"")]


def test_each_trace_goes_to_its_worker_whole(tmp_path):
    """A trace goes to one worker wherever its spans arrive; the sums of both workers equal those of one."""
    sockets = [tmp_path / "0", tmp_path / "1"]
    benches = [PipelineBench(SAMPLED), PipelineBench(SAMPLED)]
    taking = [
        PeerReceiver(path, into_engine(lambda bench=bench: bench.engine))
        for path, bench in zip(sockets, benches, strict=True)
    ]
    links = [SpanRouter(index, sockets) for index in (0, 1)]
    try:
        for link, bench in zip(links, benches, strict=True):
            own = link.own("otlp", decode(request(*range(1, 41)).SerializeToString()))
            bench.engine._take_spans(bench.engine.parts.routes["otlp"]["traces"], own, bench.engine._process)
        assert all(link.flush(10) for link in links)
    finally:
        for link in links:
            link.close()
        for one in taking:
            one.finish(10)
    for bench in benches:
        bench.clock.advance(10.0)
        bench.engine.tick()
    assert sum(bench.sums()["received"] for bench in benches) == 160
    assert sum(link.sent for link in links) == sum(one.taken for one in taking) == 80
    decided = [
        {record.trace_id for record in bench.engine.parts.sampled[0].sampler.records.last(100)} for bench in benches
    ]
    assert not decided[0] & decided[1]
    assert decided[0] | decided[1] == set(range(1, 41))


def test_a_worker_that_is_started_again_gets_what_waits(tmp_path):
    """A restarted worker gets the waiting spans although its socket was missing for a while."""
    sockets = [tmp_path / "0", tmp_path / "1"]
    link = SpanRouter(0, sockets)
    traces = decode(request(*range(1, 11)).SerializeToString())
    rest = link.own("otlp", traces)
    bench = PipelineBench(SAMPLED)
    threading.Event().wait(0.2)
    taking = PeerReceiver(sockets[1], into_engine(lambda: bench.engine))
    assert link.flush(10)
    link.close()
    taking.finish(10)
    assert taking.taken == 20 - sum(len(trace.spans) for trace in rest.traces)


def test_a_worker_that_stays_away(tmp_path, monkeypatch):
    """Senders are asked to wait; in the end what waits is lost, and counted."""
    monkeypatch.setattr(span_router, "_MOST_BYTES", 10)
    monkeypatch.setattr(link_module, "_GIVE_UP_S", 0.5)
    link = SpanRouter(0, [tmp_path / "0", tmp_path / "1"])
    link.check()
    own = link.own("otlp", decode(request(*range(1, 11)).SerializeToString()))
    with pytest.raises(PressureError, match="worker 1"):
        link.check()
    until(lambda: link.lost)
    assert link.lost == 20 - sum(len(trace.spans) for trace in own.traces)
    link.check()
    link.close()


def test_spans_that_cannot_be_processed_are_accounted_for_and_others_go_on(tmp_path, monkeypatch, caplog):
    """Whatever a frame does, those behind it on the same connection are taken: their senders have their answers."""
    sockets = [tmp_path / "0", tmp_path / "1"]
    bench = PipelineBench(SAMPLED)
    (sampled,) = bench.engine.parts.sampled
    receive_all = sampled.sampler.receive_all

    def fail_once(*_):
        monkeypatch.setattr(sampled.sampler, "receive_all", receive_all)
        raise RuntimeError("a bug")

    monkeypatch.setattr(sampled.sampler, "receive_all", fail_once)
    link = SpanRouter(0, sockets)
    for number in (1, 3, 5):
        link.own("otlp", decode(request(number).SerializeToString()))
    taking = PeerReceiver(sockets[1], into_engine(lambda: bench.engine))
    assert link.flush(10)
    link.close()
    taking.finish(10)
    assert "2 spans that were acknowledged could not be processed" in caplog.text
    assert taking.taken == link.sent == 6
    bench.engine.close(decide=True)
    assert bench.sums() == {"received": 6, "sampled": 0, "not_sampled": 4, "dropped": 2, "queued": 0}
