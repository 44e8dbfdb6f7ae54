"""A collector whose queue is on a disk that is full, or that is emptied from outside: what was acknowledged arrives."""

from __future__ import annotations

import shutil
import stat
import subprocess

import grpc
import pytest

from tests.integration.conftest import missing
from tests.unit.collector.running import backend, export, request, running, until

PLAIN = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "localhost:0"}}, http: {{endpoint: "localhost:0"}}}}}}}}
extensions: {{file_storage: {{directory: {folder}, create_directory: true}}}}
processors:
  tail_sampling: {{decision_wait: 1s, policies: [{{name: all, type: always_sample}}]}}
exporters:
  otlp_grpc: {{endpoint: "{endpoint}", tls: {{insecure: true}}, compression: none{queue}}}
service:
  extensions: [file_storage]
  pipelines:
    traces: {{receivers: [otlp], processors: [{processors}], exporters: [otlp_grpc]}}
"""
ON_DISK = ", sending_queue: {storage: file_storage, queue_size: 100000}, retry_on_failure: {max_elapsed_time: 0}"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        missing("the right to mount a small file system (run the tests as root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def send_until_refused(address: str, most: int = 400) -> tuple[set[int], list[grpc.RpcError]]:
    """Send traces, one a request; return those that were acknowledged, and the errors of the others."""
    acknowledged: set[int] = set()
    errors = []
    for number in range(1, most + 1):
        try:
            export(address, request(number, name="x" * 15_000).SerializeToString())
            acknowledged.add(number)
        except grpc.RpcError as error:
            errors.append(error)
            if len(errors) == 20:
                break
    return acknowledged, errors


def trace_ids(sink) -> set[int]:
    return {int.from_bytes(span.trace_id, "big") for span in sink.spans()}


@pytest.mark.parametrize("processors", ["", "tail_sampling"], ids=["pass-through", "sampled"])
def test_what_a_full_disk_cannot_take_is_refused_and_the_rest_arrives(tmp_path, small_disk, processors):
    """12 MB for 4 MB: UNAVAILABLE with a time, as the Collector answers; and after `kill -9`, all that was acknowledged is sent."""
    text = PLAIN.format(folder=small_disk / "queue", endpoint="127.0.0.1:1", queue=ON_DISK, processors=processors)
    with running(tmp_path, text) as collector:
        acknowledged, errors = send_until_refused(collector.grpc)
        assert 20 < len(acknowledged) < 200
        assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
        assert all("grpc-status-details-bin" in dict(error.trailing_metadata()) for error in errors)
        sums = collector.sums()
        assert sums["otelcol_receiver_refused_requests:storage_full"] == len(errors)
        assert sums["otelcol_receiver_accepted_spans"] == 2 * len(acknowledged)
        if processors:
            # What was kept when the disk was full waits in memory, and is on it as soon as there is room.
            subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
            until(lambda: not collector.sums()["otel_fe.pipeline.traces.open"])
            until(lambda: collector.sums()["otelcol_exporter_queue_size"] >= len(acknowledged))
        collector.kill()
    with backend() as sink:
        text = PLAIN.format(
            folder=small_disk / "queue", endpoint=f"127.0.0.1:{sink.port}", queue=ON_DISK, processors=processors
        )
        with running(tmp_path, text, name="again.yaml"):
            until(lambda: len(trace_ids(sink)) == len(acknowledged), told=lambda: str(len(trace_ids(sink))))
            assert trace_ids(sink) == acknowledged


def test_a_queue_directory_that_is_removed_while_it_runs(tmp_path):
    """A removed queue directory is recreated at once; queued and new spans survive `kill -9`."""
    folder = tmp_path / "queue"
    text = PLAIN.format(folder=folder, endpoint="127.0.0.1:1", queue=ON_DISK, processors="")
    with running(tmp_path, text) as collector:
        for number in range(1, 21):
            export(collector.grpc, request(number).SerializeToString())
            if number == 10:
                shutil.rmtree(folder)
        assert "was removed" in collector.log
        collector.kill()
    with backend() as sink:
        text = PLAIN.format(folder=folder, endpoint=f"127.0.0.1:{sink.port}", queue=ON_DISK, processors="")
        with running(tmp_path, text, name="again.yaml"):
            until(lambda: trace_ids(sink) == set(range(1, 21)))


def test_files_and_folder_are_the_owners(tmp_path):
    """Queue and pending traces: 0600 in a folder of 0700."""
    folder = tmp_path / "queue"
    text = PLAIN.format(folder=folder, endpoint="127.0.0.1:1", queue=ON_DISK, processors="tail_sampling")
    text = text.replace("{name: all, type: always_sample}", "{name: slow, type: latency, latency: {threshold_ms: 100}}")
    with running(tmp_path, text.replace("decision_wait: 1s", "decision_wait: 60s")) as collector:
        export(collector.grpc, request(1, slow=True).SerializeToString())
        export(collector.grpc, request(2, rooted=False).SerializeToString())
        collector.stop()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert len(modes) == 2
    assert set(modes.values()) == {0o600}, modes


def test_without_a_queue_a_backend_that_is_gone_is_told_to_the_sender(tmp_path):
    """`sending_queue: {enabled: false}`: UNAVAILABLE until it is back; and what is acknowledged then is there."""
    disabled = ", sending_queue: {enabled: false}"
    with backend() as sink:
        port = sink.port
    text = PLAIN.format(folder=tmp_path / "queue", endpoint=f"127.0.0.1:{port}", queue=disabled, processors="")
    with running(tmp_path, text) as collector:
        acknowledged, errors = send_until_refused(collector.grpc)
        assert not acknowledged
        assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
        sums = collector.sums()
        assert sums["otelcol_receiver_refused_requests:unreachable"] == 20
        assert sums.get("otel_fe.pipeline.spans.received", 0) == 0
        with backend(port) as sink:

            def taken() -> bool:
                try:
                    export(collector.grpc, request(7).SerializeToString())
                except grpc.RpcError:
                    return False
                return True

            until(taken)
            assert trace_ids(sink) == {7}
            sink.refuse = True
            with pytest.raises(grpc.RpcError) as caught:
                export(collector.grpc, request(8).SerializeToString())
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
