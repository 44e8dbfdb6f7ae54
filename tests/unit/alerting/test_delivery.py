"""Webhooks, log events, lanes: over real sockets and the real SDK."""

from __future__ import annotations

import logging
import os
import threading
import time

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from otel_fe import faults
from otel_fe.alerting import AlertType, LogEvents, Severity, State, Webhook, text_of, verify
from otel_fe.alerting.delivery.http import DeliveryError
from otel_fe.alerting.delivery.lane import Lane
from otel_fe.alerting.delivery.webhook import SIGNATURE
from otel_fe.alerting.outbox import Outbox
from otel_fe.errors import ConfigurationError
from tests.unit.alerting.receiving import an_alert, receiver

SECRET = "s3cr3t-of-the-webhook"


def test_a_webhook_gets_signed_json():
    """The receiver can verify who sent it, when, and that nothing has been changed."""
    with receiver() as received:
        Webhook(f"http://127.0.0.1:{received.port}/hook?token=abc", SECRET)(an_alert())
    ((path, headers, body),) = received.requests
    assert path == "/hook?token=abc"
    assert headers["Content-Type"] == "application/json"
    (document,) = received.documents
    assert (document["type"], document["state"], document["observed"]) == ("latency_threshold", "firing", 142.0)
    signature = headers[SIGNATURE]
    assert verify(SECRET, signature, body)
    assert not verify("another", signature, body)
    assert not verify(SECRET, signature, body + b" ")
    assert not verify(SECRET, signature, body, now=time.time() + 301)
    assert not verify(SECRET, signature.replace("t=", "t=1"), body)
    for nonsense in ("", "v1=", "t=,v1=", "t=abc,v1=00", "é"):
        assert not verify(SECRET, nonsense, body)


@pytest.mark.parametrize(
    ("answers", "requests", "waits"),
    [
        ([500, 503, 200], 3, 2),
        ([(429, {"Retry-After": "7"}), 200], 2, 1),
        ([(503, {"Retry-After": "999999"}), 200], 2, 1),
    ],
)
def test_what_may_pass_is_tried_again(answers, requests, waits):
    """Retries wait longer each time, at least as long as the server asks, and never more than half a minute."""
    slept = []
    with receiver(*answers) as received:
        Webhook(f"http://127.0.0.1:{received.port}/", sleep=slept.append)(an_alert())
    assert len(received.requests) == requests
    assert len(slept) == waits
    assert all(0.25 <= seconds <= 30 for seconds in slept)
    asked = [float(one[1]["Retry-After"]) for one in answers if isinstance(one, tuple)]
    assert all(seconds >= min(30, least) for seconds, least in zip(slept, asked, strict=False))


@pytest.mark.parametrize(("answers", "requests"), [([400], 1), ([301], 1), ([500], 5)])
def test_what_fails_for_good_is_an_error_without_secrets(answers, requests):
    """A refusal is not repeated, a failure five times; the message contains neither a path nor a query nor a secret."""
    with receiver(*answers) as received:
        hook = Webhook(f"http://127.0.0.1:{received.port}/T0/path?token=abc", SECRET, sleep=lambda _: None)
        with pytest.raises(DeliveryError) as caught:
            hook(an_alert())
    assert len(received.requests) == requests
    assert f"status {answers[0]}" in str(caught.value)
    for shown in (str(caught.value), repr(hook)):
        assert "127.0.0.1" in shown
        assert not any(secret in shown for secret in (SECRET, "token", "abc", "path"))


def test_nobody_there_is_an_error_without_secrets(caplog):
    """Refused connections count and are logged once, by the receiver's name and the class of the error."""
    outbox = Outbox(5.0, None)
    outbox.add(None, Webhook("http://127.0.0.1:9/T0/path?token=abc", SECRET, tries=2, sleep=lambda _: None))
    with caplog.at_level(logging.DEBUG):
        outbox.tell([an_alert()])
        outbox.tell([an_alert(State.RESOLVED)])
        assert outbox.wait(5)
    assert outbox.faults == {"Webhook: raised": 2}
    ours = [record for record in caplog.records if record.name == "otel_fe"]
    assert len(ours) == 1
    assert "DeliveryError" in ours[0].getMessage()
    assert not any(secret in caplog.text for secret in (SECRET, "token", "abc"))


def test_a_delivery_leaves_no_secret_in_any_log(caplog):
    """A delivery's secrets are in no log, not even in urllib3's at DEBUG; its log lines of other requests stay."""
    import urllib3

    with caplog.at_level(logging.DEBUG), receiver() as received:
        Webhook(f"http://127.0.0.1:{received.port}/T0/path?token=abc", SECRET)(an_alert())
        assert not any(secret in caplog.text for secret in (SECRET, "token", "abc", "T0"))
        urllib3.PoolManager().request("POST", f"http://127.0.0.1:{received.port}/other", body=b"")
    assert "/other" in caplog.text


@pytest.mark.parametrize("url", ["ftp://host/", "host/path", "http://", "https:///secret"])
def test_what_is_no_url_is_refused_without_showing_it(url):
    """An invalid URL is refused when the receiver is made, not when the first alert fires, and the message does not show it."""
    with pytest.raises(ConfigurationError) as caught:
        Webhook(url)
    assert "secret" not in str(caught.value)


def test_alerts_leave_as_log_events():
    """The SDK exports an event with a name, a severity, attributes of the contract and the transition's time."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    events = LogEvents(provider)
    events(an_alert())
    events(an_alert(State.RESOLVED))
    firing, resolved = (one.log_record for one in exporter.get_finished_logs())
    assert firing.event_name == "feature_extraction.alert"
    assert (firing.severity_text, resolved.severity_text) == ("ERROR", "INFO")
    assert firing.timestamp == 1_700_000_060 * 10**9
    assert resolved.timestamp == 1_700_000_600 * 10**9
    assert firing.attributes["feature_extraction.alert.type"] == "latency_threshold"
    assert firing.attributes["feature_extraction.alert.observed"] == 142.0
    assert firing.attributes["feature_extraction.alert.cause"] == "pool_wait"
    assert firing.attributes["feature_extraction.feature_set"] == "user_profile"
    assert list(firing.attributes["feature_extraction.alert.exemplars"]) == ["0" * 31 + "1"]
    assert firing.body == text_of(an_alert())
    assert firing.body.startswith("PAGE: P95 latency of user_profile is 142 ms\nSince: 2023-11-14 22:13:20 UTC\n")
    provider.shutdown()


def test_one_that_raises_and_one_that_hangs_harm_nobody(caplog):
    """The third handler gets every alert; the failing one is counted and logged once, the hanging one after its timeout."""
    held = threading.Event()
    told = []

    def hanging(alert):
        held.wait(20)

    def raising(alert):
        raise SystemExit("no")

    outbox = Outbox(0.05, None)
    for receive in (hanging, raising, told.append):
        outbox.add(None, receive)
    for _ in range(3):
        outbox.tell([an_alert()])
    started = time.monotonic()
    assert not outbox.wait(0.2)
    assert time.monotonic() - started < 10  # of the 20 s that the hanging one takes
    assert len(told) == 3
    time.sleep(0.06)
    outbox.remind([], 0)
    outbox.remind([], 0)
    assert outbox.faults == {"raising: raised": 3, "hanging: timeout": 1}
    assert len([record for record in caplog.records if record.name == "otel_fe"]) == 2
    started = time.monotonic()
    assert not outbox.wait(5)  # who is known to hang is not waited for
    assert time.monotonic() - started < 4
    held.set()
    while not outbox.wait(5):
        assert time.monotonic() - started < 10
        time.sleep(0.01)
    outbox.close(1)
    outbox.tell([an_alert()])
    assert len(told) == 3


def test_what_waits_is_bounded():
    """A receiver that hangs loses what does not fit, and that is counted; its threads do not pile up."""
    held = threading.Event()
    outbox = Outbox(60.0, None)
    outbox.add(None, lambda _: held.wait(20))
    before = threading.active_count()
    for _ in range(150):
        outbox.tell([an_alert()])
    assert threading.active_count() <= before + 1
    assert 49 <= outbox.faults["<lambda>: queue_full"] <= 50
    held.set()
    outbox.close(5)


def test_receivers_are_told_apart_and_chosen_by_type():
    """Two of the same name have a counter each; a type that is not theirs is not theirs."""
    outbox = Outbox(5.0, None)
    first, second = [], []
    outbox.add(AlertType.LATENCY_THRESHOLD, lambda alert: first.append(alert) or 1 / 0)
    outbox.add(AlertType.ANOMALY, second.append)
    outbox.add(None, lambda alert: 1 / 0)
    outbox.tell([an_alert()])
    assert outbox.wait(5)
    assert (len(first), len(second)) == (1, 0)
    assert set(outbox.faults) == {"<lambda>: raised", "<lambda>-2: raised"}
    assert an_alert().severity is Severity.PAGE


def test_a_forked_child_tells_nothing_that_its_parent_tells():
    """The child does not inherit the queue, and sends new alerts from its own thread."""
    told = []
    held = threading.Event()
    outbox = Outbox(5.0, None)
    outbox.add(None, lambda alert: told.append(alert.feature_set) if alert.feature_set != "hold" else held.wait(20))
    outbox.tell([an_alert(feature_set="hold")])
    outbox.tell([an_alert(feature_set="parent")])
    os.register_at_fork(after_in_child=outbox.renew)
    pid = os.fork()
    if pid == 0:
        outbox.tell([an_alert(feature_set="child")])
        ok = outbox.wait(5) and told == ["child"]
        os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
    held.set()
    assert outbox.wait(5)
    assert told == ["parent"]
    outbox.close(1)


def test_lane_without_a_thread_keeps_deliveries_until_one_can_be_started(monkeypatch):
    """`put` does not raise at a container's limit of processes; alerts that wait are delivered once threads are available again."""
    delivered, faulty = [], []
    lane = Lane("hook", lambda *fault: faulty.append(fault), timeout_s=5.0, capacity=2)
    counted = faults.counts().get("alerting.thread", 0)
    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", _refuse_thread)
        for number in (1, 2, 3):
            lane.put(lambda number=number: delivered.append(number))
        assert not lane.wait(time.monotonic() + 60)
    assert (delivered, faulty) == ([], [("hook", "queue_full", None)])
    assert faults.counts()["alerting.thread"] > counted
    assert lane.wait(time.monotonic() + 5)
    assert delivered == [1, 2]
    lane.close(time.monotonic() + 5)


def _refuse_thread(_thread):
    raise RuntimeError("can't start new thread")
