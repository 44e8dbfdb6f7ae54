"""Starting, changing and stopping, with traces under way: nothing that was acknowledged is lost."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time

import grpc
import pytest

from otel_fe.collector.servers import nghttp2
from tests.real.parts import missing
from tests.unit.collector.grpc_client import GrpcClient, framed
from tests.unit.collector.running import (
    EXPORT,
    KEEP_ALL,
    KEEP_SLOW,
    OTEL_FE,
    Process,
    backend,
    config,
    export,
    request,
    running,
    send,
    until,
)


def test_pending_traces_are_decided_at_a_stop(tmp_path):
    """A stop decides pending traces with the spans that they have and sends them; the last line accounts for every span."""
    with backend() as sink, running(tmp_path, config(f"127.0.0.1:{sink.port}")) as collector:
        send(collector.grpc, 1, 2, rooted=False)
        send(collector.grpc, 3)
        last = collector.stop()
        assert "6 spans received = 6 sampled + 0 not sampled + 0 dropped" in last
        assert len(sink.spans()) == 6


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_requests_that_are_under_way_at_a_stop_are_taken(tmp_path, monkeypatch, protocol):
    """As the Collector does. An error would have the sender wait and try again, with a server that has gone."""
    if nghttp2.unusable():
        missing("libnghttp2")
    monkeypatch.setenv("OTEL_FE_GRPC_SERVER", "nghttp2")
    body = request(5).SerializeToString()
    with backend() as sink, running(tmp_path, config(f"127.0.0.1:{sink.port}")) as collector:
        host, _, port = (collector.grpc if protocol == "grpc" else collector.http).rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as stream:
            if protocol == "grpc":
                stream.setblocking(False)
                client = GrpcClient(stream)
                call = client.begin()
                client.write(call, framed(body)[:-9])
            else:
                head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
                stream.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:-9])
            time.sleep(0.3)
            collector.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((host, int(port)), timeout=10)
            if protocol == "grpc":
                client.write(call, body[-9:], end=True)
                until(lambda: client.receive() and call in client.ended)
                assert client.status(call) == 0
                assert client.going_away == (0, b"")
            else:
                stream.sendall(body[-9:])
                answer = stream.recv(1 << 16)
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert b"connection: close" in answer.lower()
        assert collector.process.wait(12) == 0
        assert "2 spans received = 2 sampled" in collector.stop()
        assert len(sink.spans()) == 2


def test_pending_traces_survive_a_graceful_restart(tmp_path):
    """Pending spans and their arrival times are kept in `file_storage`, and later spans complete their traces."""
    storage = f"{{file_storage: {{directory: {tmp_path}, create_directory: true}}}}"
    with backend() as sink:
        slow = "{name: slow, type: latency, latency: {threshold_ms: 100, upper_threshold_ms: 9000}}"
        text = config(f"127.0.0.1:{sink.port}", policies=slow, sampler="decision_wait: 6s", extensions=storage)
        with running(tmp_path, text) as collector:
            send(collector.grpc, 1, 2, rooted=False, slow=True)
            send(collector.grpc, 4, rooted=False, slow=False)
            assert "6 on disk to be decided" in collector.stop()
        began = time.monotonic()
        assert not sink.spans()
        with running(tmp_path, text) as collector:
            assert "6 spans pending from before" in collector.log
            root = request(2, spans=1, slow=True)
            root.resource_spans[0].scope_spans[0].spans[0].span_id = (99).to_bytes(8, "big")
            export(collector.grpc, root.SerializeToString())
            assert not sink.spans(), "that its root has come decides nothing"
            until(lambda: len(sink.spans()) == 5)
            assert time.monotonic() - began < 9, "it waits for the rest of its time, not for all of it"
            last = collector.stop()
            assert "7 spans received = 5 sampled + 2 not sampled + 0 dropped" in last
    assert not (tmp_path / "pending_traces").exists() or b"spans" not in (tmp_path / "pending_traces").read_bytes()


def test_acknowledged_spans_survive_kill_9(tmp_path):
    """The next process finds the queue on disk, and sends the kept spans once the backend is back."""
    storage = f"{{file_storage: {{directory: {tmp_path}/queue, create_directory: true}}}}"
    exporter = (
        ", sending_queue: {storage: file_storage}"
        ", retry_on_failure: {initial_interval: 100ms, max_interval: 200ms, max_elapsed_time: 0s}"
    )
    with backend() as sink:
        port = sink.port
    # No server listens on that port any more.
    text = config(f"127.0.0.1:{port}", exporter=exporter, extensions=storage)
    with running(tmp_path, text) as collector:
        for number in range(1, 21):
            send(collector.grpc, number)
        collector.kill()
    with backend(port) as sink:
        with running(tmp_path, text) as collector:
            until(lambda: len(sink.spans()) >= 40)
            sums = collector.sums()
            collector.stop()
    assert {int.from_bytes(span.trace_id, "big") for span in sink.spans()} == set(range(1, 21))
    # Spans, and whatever metrics the connector had handed over before it was killed.
    assert sums["otelcol_exporter_recovered_items"] >= 40


def test_reload_changes_the_policies_and_drops_no_connection(tmp_path):
    """Exports go on on one connection; what is pending is decided by the new policies."""
    with (
        backend() as sink,
        running(
            tmp_path, config(f"127.0.0.1:{sink.port}", policies=KEEP_SLOW, sampler="decision_wait: 5s")
        ) as collector,
    ):
        with grpc.insecure_channel(collector.grpc) as channel:
            states = []
            channel.subscribe(lambda state: states.append(state.name))
            call = channel.unary_unary(EXPORT)
            call(request(2).SerializeToString())
            until(lambda: "not sampled" in collector.why(2)[1])
            call(request(1, rooted=False).SerializeToString())
            stop = threading.Event()
            failures = []

            def load():
                number = 1000
                while not stop.is_set():
                    number += 1
                    try:
                        call(request(number).SerializeToString(), timeout=5)
                    except grpc.RpcError as error:
                        failures.append(error)

            thread = threading.Thread(target=load)
            thread.start()
            collector.file.write_text(config(f"127.0.0.1:{sink.port}", policies=KEEP_ALL))
            collector.send_signal(signal.SIGHUP)
            collector.until("reloaded")
            time.sleep(0.3)
            stop.set()
            thread.join()
            root = request(1, spans=1)
            root.resource_spans[0].scope_spans[0].spans[0].span_id = (99).to_bytes(8, "big")
            call(root.SerializeToString())
            until(lambda: [one for one in sink.spans() if one.trace_id == (1).to_bytes(16, "big")])
            assert not failures
            assert "TRANSIENT_FAILURE" not in states
        assert not [one for one in sink.spans() if one.trace_id == (2).to_bytes(16, "big")]
        assert "not sampled" in collector.why(2)[1], "the decisions of before are still explained"
        assert "kept by all" in collector.why(1)[1]
        last = collector.stop()
        received = int(last.split(": ")[1].split()[0])
        assert received == sum(int(part.split()[0]) for part in last.split(" = ")[1].split(" + "))


def test_a_bad_new_file_leaves_the_old_one_running(tmp_path):
    """A reload of an invalid file logs all its problems with their lines, and the old configuration stays active."""
    with backend() as sink, running(tmp_path, config(f"127.0.0.1:{sink.port}")) as collector:
        collector.file.write_text(
            config("nonsense", policies="{name: a, type: latency}").replace(
                "decision_wait: 10s", "decision_weight: 10s"
            )
        )
        collector.send_signal(signal.SIGHUP)
        collector.until("the configuration was not reloaded")
        for problem in ("decision_weight", "use host:port", "latency"):
            assert problem in collector.log
        with grpc.insecure_channel("127.0.0.1:1"):
            send(collector.grpc, 1)
        until(lambda: len(sink.spans()) == 2)
        # What only shows when it is tried: a directory that is not there.
        collector.file.write_text(
            config(
                f"127.0.0.1:{sink.port}",
                exporter=", sending_queue: {storage: file_storage}",
                extensions="{file_storage: {directory: /nonsense/of/mine}}",
            )
        )
        collector.send_signal(signal.SIGHUP)
        collector.until("/nonsense/of/mine")
        send(collector.grpc, 2)
        until(lambda: len(sink.spans()) == 4)
        collector.stop()


def test_reload_moves_receivers_and_exporters(tmp_path):
    """A receiver that is gone no longer listens, one that is new does, and another backend gets what follows."""
    with backend() as first, backend() as second, running(tmp_path, config(f"127.0.0.1:{first.port}")) as collector:
        send(collector.grpc, 1)
        until(lambda: len(first.spans()) == 2)
        text = config(f"127.0.0.1:{second.port}").replace('http: {endpoint: "localhost:0"}', "")
        collector.file.write_text(text)
        collector.send_signal(signal.SIGHUP)
        collector.until("reloaded")
        send(collector.grpc, 2)
        until(lambda: len(second.spans()) == 2)
        assert len(first.spans()) == 2
        host, port = collector.http.split(":")
        import socket

        with pytest.raises(OSError):
            socket.create_connection((host, int(port)), timeout=2)
        collector.stop()


def test_a_port_that_is_taken_is_named(tmp_path):
    """The collector names the port that is in use, and exits with status 1."""
    with backend() as sink:
        file = tmp_path / "taken.yaml"
        file.write_text(
            config().replace('grpc: {endpoint: "localhost:0"}', f'grpc: {{endpoint: "localhost:{sink.port}"}}')
        )
        process = Process(file, wait=False)
        assert process.process.wait(30) == 1
        process.stop()
        assert f"cannot listen on localhost:{sink.port}" in process.log


def test_overload_is_refused_and_adds_up(tmp_path):
    """Traces that never end fill the memory: it stays within its limit, keeps answering, and refuses with the right code."""
    limit_mib, spike_mib = 150, 20
    text = config(
        policies=KEEP_SLOW,
        sampler="decision_wait: 60s, num_traces: 10000000",
        before=f"{{check_interval: 100ms, limit_mib: {limit_mib}, spike_limit_mib: {spike_mib}}}",
    )
    codes: dict[str, int] = {}
    most = [0.0]
    with running(tmp_path, text) as collector:
        stop = time.monotonic() + 12
        lock = threading.Lock()
        base = request(*range(1, 101), spans=5, rooted=False)
        for span in base.resource_spans[0].scope_spans[0].spans:
            span.attributes.add(key="padding").value.string_value = "x" * 500

        def load(worker):
            number = worker << 40
            with grpc.insecure_channel(collector.grpc) as channel:
                call = channel.unary_unary(EXPORT)
                while time.monotonic() < stop:
                    number += 1
                    payload = _renumbered(base, number)
                    try:
                        call(payload, timeout=20)
                        code = "OK"
                    except grpc.RpcError as error:
                        code = error.code().name
                        time.sleep(0.02)
                    with lock:
                        codes[code] = codes.get(code, 0) + 1

        threads = [threading.Thread(target=load, args=(worker,)) for worker in range(1, 5)]
        for thread in threads:
            thread.start()
        while time.monotonic() < stop:
            most[0] = max(most[0], collector.sums()["otelcol_process_memory_rss_bytes"])
            time.sleep(0.2)
        for thread in threads:
            thread.join()
        sums = collector.sums()
        assert codes.keys() == {"OK", "UNAVAILABLE"}, codes
        assert most[0] < limit_mib << 20
        assert sums["otelcol_receiver_refused_requests:memory"] == codes["UNAVAILABLE"]
        accepted = sums["otelcol_receiver_accepted_spans"]
        assert accepted == codes["OK"] * 500
        parts = ("sampled", "not_sampled", "dropped", "pending", "queued")
        assert accepted == sum(sums.get(f"otel_fe.pipeline.spans.{part}", 0) for part in parts)
        last = collector.stop()
        assert f"{int(accepted)} spans received" in last


def _renumbered(base, number: int) -> bytes:
    """Return the request with other trace ids, at little cost."""
    data = bytearray(base.SerializeToString())
    mark = number.to_bytes(8, "big")
    place = data.find(b"\x0a\x10")
    while place >= 0:
        if data[place + 2 : place + 10] == bytes(8):
            data[place + 2 : place + 10] = mark
        place = data.find(b"\x0a\x10", place + 2)
    return bytes(data)


def test_workers_keep_traces_whole(tmp_path):
    """Spans of a trace that reach different workers are decided together; the sums of all add up."""
    traces = range(0x5000, 0x5040)
    with backend() as sink:
        text = config(f"127.0.0.1:{sink.port}", policies="{name: two, type: span_count, span_count: {min_spans: 3}}")
        with running(tmp_path, text, "--workers", "2") as collector:
            parts = []
            for number in range(3):  # each span of a trace over a connection of its own
                made = request(*traces, spans=3)
                for resource in made.resource_spans:
                    for scope in resource.scope_spans:
                        kept = [span for span in scope.spans if span.span_id == (number + 1).to_bytes(8, "big")]
                        del scope.spans[:]
                        scope.spans.extend(kept)
                parts.append(made)
            for made in reversed(parts):
                export(collector.grpc, made.SerializeToString())
            until(lambda: len(sink.spans()) == 3 * len(traces), told=lambda: str(collector.sums()))
            assert collector.why(0x5001)[1].startswith(f"trace {0x5001:032x}: kept by two")
            sums = collector.sums()
            assert sums["otel_fe.collector.spans.handed_over"] > 0
            assert sums["otelcol_receiver_accepted_spans"] == 3 * len(traces)
            last = collector.stop()
            assert f"{3 * len(traces)} spans received = {3 * len(traces)} sampled" in last


def test_a_dead_worker_is_started_again(tmp_path):
    """A worker's death is noticed and counted, and the ports are still served."""
    import psutil

    with backend() as sink, running(tmp_path, config(f"127.0.0.1:{sink.port}"), "--workers", "2") as collector:
        workers = psutil.Process(collector.process.pid).children()
        assert len(workers) == 2
        workers[0].kill()
        collector.until("restarting it")
        until(lambda: len(psutil.Process(collector.process.pid).children()) == 2)
        until(lambda: collector.sums()["otel_fe.collector.workers.restarted"] == 1)
        deadline = time.monotonic() + 20
        for number in range(0x6000, 0x6010):
            while True:
                try:
                    send(collector.grpc, number)
                    break
                except grpc.RpcError:
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
        until(lambda: len(sink.spans()) >= 32)
        collector.file.write_text(config(f"127.0.0.1:{sink.port}", policies=KEEP_SLOW))
        collector.send_signal(signal.SIGHUP)
        collector.until("reloaded")
        collector.stop()


def test_the_store_holds_what_was_kept(tmp_path):
    """`--store`: traces, decisions and series, for the dashboard; `why` finds there what the process has forgotten."""
    from otel_fe.store import StoreReader

    store = tmp_path / "store"
    with backend() as sink:
        text = config(f"127.0.0.1:{sink.port}", policies=KEEP_SLOW)
        with running(tmp_path, text, "--store", str(store)) as collector:
            send(collector.grpc, 0x71, slow=True, name="feature_extraction shop")
            send(collector.grpc, 0x72)
            until(lambda: len(sink.spans()) == 2)
            time.sleep(0.5)
            collector.stop()
        with StoreReader(store) as reader:
            kept = reader.traces.by_id(0x71)
            assert kept is not None
            assert (kept.policy, kept.span_count) == ("slow", 2)
            assert reader.decisions.of(0x72)["outcome"] == "not sampled"
        with running(tmp_path, text, "--store", str(store)) as collector:
            assert "kept by slow" in collector.why(0x71)[1]
            assert "not sampled" in collector.why(0x72)[1]
            assert json.loads(collector.get(f"/decisions/{0x71:032x}"))["record"]["spans"] == 2
            collector.stop()
        command = [OTEL_FE, "why", f"{0x71:032x}", "--admin-endpoint", "localhost:1", "--store", store]
        assert b"kept by slow" in subprocess.run(command, capture_output=True, check=True).stdout


def test_a_killed_supervisor_s_queue_can_be_had_at_once(tmp_path):
    """The workers of a killed supervisor release the queue, and a new collector waits for that; no span is lost."""
    import psutil

    storage = f"{{file_storage: {{directory: {tmp_path / 'queue'}, create_directory: true}}}}"
    queued = ", sending_queue: {storage: file_storage}, retry_on_failure: {initial_interval: 100ms}"
    text = config("127.0.0.1:1", extensions=storage, exporter=queued, policies=KEEP_ALL)
    with running(tmp_path, text, "--workers", "2") as collector:
        for number in range(0x7000, 0x7010):
            send(collector.grpc, number)
        workers = psutil.Process(collector.process.pid).children()
        collector.kill()
    with backend() as sink:
        again = text.replace("127.0.0.1:1", f"127.0.0.1:{sink.port}")
        with running(tmp_path, again, "--workers", "2", name="again.yaml") as collector:
            until(lambda: len({span.trace_id for span in sink.spans()}) == 16, told=lambda: collector.log)
            collector.stop()
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in workers)


@pytest.mark.parametrize("exporter", ["otlp_grpc", "otlp_http"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_ends_in_time_with_a_backend_that_never_answers(tmp_path, exporter, workers):
    """One that takes connections and is silent: within the ten seconds that a stop may take, and with its last line."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"127.0.0.1:{silent.getsockname()[1]}"
        text = config(url)
        if exporter == "otlp_http":
            text = text.replace('otlp_grpc: {endpoint: "', 'otlp_http: {endpoint: "http://').replace(
                "[otlp_grpc]", "[otlp_http]"
            )
        with running(tmp_path, text, "--workers", workers) as collector:
            for number in range(0x8000, 0x8010):
                send(collector.grpc, number)
            began_s = time.monotonic()
            assert "32 spans received" in collector.stop()
            assert time.monotonic() - began_s < 12
