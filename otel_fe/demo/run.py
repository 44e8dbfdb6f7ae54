"""The demo from start to report."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from otel_fe import semconv
from otel_fe.dashboard.command import asked_of_another, opened
from otel_fe.demo.collecting import Collecting, Forwarded
from otel_fe.demo.explained import explained
from otel_fe.demo.load import CLIENTS, Load, Sent
from otel_fe.demo.narrator import Narrator
from otel_fe.demo.received import ReceivedTelemetry
from otel_fe.demo.receiver import Receiver
from otel_fe.demo.report import DemoReport, report_of
from otel_fe.demo.service import SERVICE_NAME, Service, ServiceError
from otel_fe.demo.text import Text
from otel_fe.demo.where_to_look import where_to_look
from otel_fe.terminal import coloured

if TYPE_CHECKING:
    from argparse import Namespace


def run(arguments: Namespace) -> int:
    """Run the demo and print its report; return the exit status.

    Args:
        arguments: `seconds` of load, `json`, `port` and `store` of the collector, `seed` of the load, and those of a dashboard.

    Raises:
        OtelFeError, OSError: It cannot be run.
    """
    narrator = Narrator(quiet=arguments.quiet)
    settings = asked_of_another(arguments)
    server = None if settings is None else opened(settings, arguments.store)
    if server is None:
        return _run(arguments, "", narrator)
    server.start()
    try:
        narrator.say(f"the dashboard is on {server.url}; it fills while the load runs")
        status = _run(arguments, server.url, narrator)
        narrator.say(f"the dashboard stays on {server.url} until Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    finally:
        server.close()
    return status


def _run(arguments: Namespace, url: str, narrator: Narrator) -> int:
    """Run the load and print the report; `url` is where a dashboard is served, if one is."""
    received = ReceivedTelemetry()
    receiver = Receiver(received.receive)
    receiver.start()
    forwarded = None
    try:
        collecting = Collecting(receiver.endpoint, arguments.port, arguments.store, os.environ)
        try:
            driven = _drive(collecting.endpoint, received, arguments, narrator)
        finally:
            narrator.close()
            forwarded = collecting.close()
    finally:
        receiver.stop()
    service = os.environ.get("OTEL_SERVICE_NAME", SERVICE_NAME)
    report = explained(report_of(received), arguments.store, service, driven.window_ns)
    sent, seconds = driven.sent, driven.seconds
    if arguments.json:
        print(json.dumps(_document(report, sent, seconds, forwarded), indent=2), flush=True)
    else:
        print(Text(colour=coloured()).render(report, _closing(report, sent, seconds, forwarded)))
        print(where_to_look(report, arguments.store, driven.window_ns, url), flush=True)
    if report.targeted != sent.requests:
        print(
            f"otel-fe demo: {sent.requests} requests were answered and {report.targeted} extractions counted; "
            "they should agree",
            file=sys.stderr,
        )
        return 1
    return 0


class _Driven(NamedTuple):
    sent: Sent
    seconds: float
    window_ns: tuple[int, int]
    """Unix time, from and until."""


def _drive(endpoint: str, received: ReceivedTelemetry, arguments: Namespace, narrator: Narrator) -> _Driven:
    narrator.say("1/3 starting the example service under opentelemetry-instrument")
    began = time.monotonic()
    service = Service(
        endpoint, waiting=lambda: narrator.progress(f"{time.monotonic() - began:5.1f} s  it is fitting its models")
    )
    try:
        narrator.say(f"2/3 {CLIENTS} clients for {arguments.seconds:g} s; no code of the service knows otel_fe")
        load = Load(service.port, arguments.seed)
        began, began_ns = time.monotonic(), time.time_ns()
        load.start()
        try:
            _wait(began, arguments.seconds, received, service, narrator)
        except KeyboardInterrupt:
            narrator.say("stopping; the report is on what there is")
        sent = load.stop()
        narrator.say("3/3 collecting its last exports")
        return _Driven(sent, time.monotonic() - began, (began_ns, time.time_ns()))
    finally:
        service.stop()


def _wait(began: float, seconds: float, received: ReceivedTelemetry, service: Service, narrator: Narrator) -> None:
    while (passed := time.monotonic() - began) < seconds:
        time.sleep(min(0.5, seconds - passed))
        if not service.alive:
            raise ServiceError(f"the example service died; its last lines:\n{service.last_lines}")
        count = int(received.total(semconv.DURATION))
        kept = len(received.spans)
        narrator.progress(
            f"{min(passed + 0.5, seconds):5.1f} of {seconds:g} s  {count:,} extractions, {kept:,} spans kept"
        )


def _document(report: DemoReport, sent: Sent, seconds: float, forwarded: Forwarded | None) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 3),
        "clients": {"requests": sent.requests, "errors": sent.errors, "failures": len(sent.failures)},
        **report.as_dict(),
        "forwarded": None if forwarded is None else asdict(forwarded),
    }


def _closing(report: DemoReport, sent: Sent, seconds: float, forwarded: Forwarded | None) -> str:
    checked = (
        f"Cross-check: the clients had {sent.requests:,} answers in {seconds:.0f} s ({sent.errors:,} not 200); "
        f"{report.targeted:,} extractions of its four feature sets were counted."
    )
    lines = [checked]
    if forwarded is None:
        lines.append("To see the same in your own backend: OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 make demo")
    elif forwarded.failed:
        lines.append(
            f"{forwarded.endpoint} took {forwarded.sent:,} spans, data points and log records, and not {forwarded.failed:,}: "
            f"{forwarded.error}"
        )
    else:
        lines.append(f"{forwarded.endpoint} got everything too: {forwarded.sent:,} spans and data points.")
    lines.append("Your own service: OTEL_FE_TARGETS=module:function opentelemetry-instrument python app.py (README.md)")
    return "\n".join(lines)
