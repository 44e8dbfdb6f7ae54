"""The corpus through the real Collector: all cases at once, each with a receiver, a sampler and a connector of its own.

One process for all of them, and another one for those few whose answer depends on the second in which they are decided.
"""

from __future__ import annotations

import http.client
import resource
import socket
import tempfile
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.corpus.case import LATER
from tests.corpus.wire import decode, encode
from tests.real.collector import RunningCollector
from tests.real.sink import OtlpSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.corpus.case import Case
    from tests.corpus.outcome import Outcome

GATES = ("processor.tailsamplingprocessor.usetracestate", "processor.tailsamplingprocessor.recordpolicy")
"""Write thresholds to `tracestate`, and the winner on the scope."""
_FLUSHES = 3
"""The first may have been under way when the last span came; the first with a series reports its calls as 0."""
_FLUSH_S = 20


def run(binary: Path, cases: Sequence[Case]) -> dict[str, Outcome]:
    """Return what the Collector makes of every case, by the case's id."""
    # The sink holds a connection for each case.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    outcomes = _run(binary, [case for case in cases if not case.totals_only])
    if by_chance := [case for case in cases if case.totals_only]:
        # Quotas are of a second of the wall clock, and between two traces of a tick there is an export. Among hundreds of
        # others that takes long enough to reach the next second. Ticks keep the phase in which the process has started.
        time.sleep(1 - time.time() % 1)
        outcomes |= _run(binary, by_chance)
    return outcomes


def _run(binary: Path, cases: Sequence[Case]) -> dict[str, Outcome]:
    # Unix sockets, and so a short path: there is no port for anybody else to take.
    with OtlpSink() as sink, tempfile.TemporaryDirectory(prefix="otel_fe") as name:
        folder = Path(name)
        config = configuration(cases, folder, sink.url)
        receivers = [_socket(folder, number) for number in range(len(cases))]
        with RunningCollector(binary, config, folder, receivers, GATES) as collector:
            _send(cases, folder)
            flushes = _wait_for_flushes(cases, sink)
            collector.stop()
        _refuse_errors(collector.log)
        return {case.id: _outcome(number, case, sink, flushes[number]) for number, case in enumerate(cases)}


def configuration(cases: Sequence[Case], folder: Path, url: str) -> str:
    """Return the Collector's configuration for these cases."""
    sections: dict[str, list[str]] = {"receivers": [], "processors": [], "connectors": [], "exporters": []}
    pipelines: list[str] = []
    for number, case in enumerate(cases):
        path = f"{url}/case/{number}/v1"
        sections["receivers"].append(
            f"otlp/{number}: {{protocols: {{http: {{transport: unix, endpoint: {_socket(folder, number)}}}}}}}"
        )
        # Neither queue nor retry: what is exported is exported before the next thing happens.
        sections["exporters"].append(
            f"otlp_http/{number}: {{traces_endpoint: '{path}/traces', metrics_endpoint: '{path}/metrics', "
            "compression: none, sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}"
        )
        if case.tail_sampling is not None:
            sections["processors"].append(_component(f"tail_sampling/{number}", case.tail_sampling_yaml()))
            pipelines.append(
                f"traces/{number}: {{receivers: [otlp/{number}], processors: [tail_sampling/{number}], "
                f"exporters: [otlp_http/{number}]}}"
            )
        if case.span_metrics is not None:
            sections["connectors"].append(_component(f"span_metrics/{number}", case.span_metrics_yaml()))
            pipelines += [
                f"traces/{number}derive: {{receivers: [otlp/{number}], exporters: [span_metrics/{number}]}}",
                f"metrics/{number}: {{receivers: [span_metrics/{number}], exporters: [otlp_http/{number}]}}",
            ]
    parts = [_section(name, lines) for name, lines in sections.items() if lines]
    service = "telemetry: {logs: {level: warn}, metrics: {level: none}}\n" + _section("pipelines", pipelines)
    return "\n".join([*parts, _section("service", [service])])


def _section(name: str, lines: Sequence[str]) -> str:
    return f"{name}:\n" + "\n".join(textwrap.indent(line, "  ") for line in lines)


def _component(name: str, settings: str) -> str:
    return f"{name}:\n" + textwrap.indent(settings, "  ")


def _socket(folder: Path, number: int) -> Path:
    return folder / f"{number}"


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _send(cases: Sequence[Case], folder: Path) -> None:
    """Send the batches of every case; those after a pause when everything before has been decided."""
    phases = [case.phases() for case in cases]
    bodies = [[[encode(batch) for batch in phase] for phase in of_case] for of_case in phases]
    for phase in range(max(map(len, bodies))):
        if phase:
            time.sleep(LATER.value)
        for number, of_case in enumerate(bodies):
            if phase < len(of_case) and of_case[phase]:
                _post(cases[number], _socket(folder, number), of_case[phase])


def _post(case: Case, path: Path, bodies: Sequence[bytes]) -> None:
    connection = _UnixConnection(path)
    for body in bodies:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, f"{case.id}: {response.status} {answer!r}"
    connection.close()


def _wait_for_flushes(cases: Sequence[Case], sink: OtlpSink) -> list[int]:
    """Wait until everything is decided and flushed; return for each case which request is its last one to count.

    The same flush for every run, as series expire with time.
    """
    wanted = [sink.count(_path(number, "metrics")) + _FLUSHES for number in range(len(cases))]
    deadline = time.monotonic() + _FLUSH_S
    time.sleep(LATER.value)
    for number, case in enumerate(cases):
        while case.span_metrics is not None and sink.count(_path(number, "metrics")) < wanted[number]:
            assert time.monotonic() < deadline, f"{case.id}: no metrics come"
            time.sleep(0.05)
    return wanted


def _path(number: int, signal: str) -> str:
    return f"/case/{number}/v1/{signal}"


def _outcome(number: int, case: Case, sink: OtlpSink, flushes: int) -> Outcome:
    metrics = sink.requests(_path(number, "metrics"))[:flushes]
    delta = "AGGREGATION_TEMPORALITY_DELTA" in (case.span_metrics or "")
    return decode(sink.requests(_path(number, "traces")), metrics, delta=delta)


def _refuse_errors(log: str) -> None:
    """Fail where the Collector says that something did not work, other than what the corpus provokes."""
    errors = [line for line in log.splitlines() if "\terror\t" in line]
    assert not errors, "\n".join(errors[:5])
