"""The message of an alert says what, since when, how bad, why, where to look and what to do."""

from __future__ import annotations

import pytest

from otel_fe.alerting import DEFAULT_RULES, Evaluation, Origin, State, text_of
from otel_fe.alerting.likely_cause import Likely
from otel_fe.alerting.message import share_in_words
from otel_fe.alerting.wording import alert_of
from otel_fe.errors import ConfigurationError
from otel_fe.formatting import elapsed
from otel_fe.live.view import ExtractionGroup

ORIGIN = Origin("shop", "https://fe.example/", "")
LINE = "features.py:86 transaction_history"


def made(state=State.FIRING, origin=ORIGIN, why=None, exemplars=("a" * 32, "b" * 32)):
    reading = Evaluation(
        DEFAULT_RULES[0], 156.0, holds=True, over=False, samples=120, group=ExtractionGroup("", "transaction_history"),
        words="38 of 120 extractions took 100 ms or more", bad=38,
    )  # fmt: skip
    why = Likely("downstream", f"81 % of slow time in SELECT … transactions ({LINE})", LINE) if why is None else why
    times = (1_700_000_000.0, 1_700_000_060.0, 1_700_000_600.0 if state is State.RESOLVED else 0.0)
    return alert_of(reading, state, times, why, exemplars, "recovered" if state is State.RESOLVED else "", origin)


def test_the_whole_message():
    lines = text_of(made()).splitlines()
    assert lines == [
        "PAGE: P95 latency of transaction_history is 156 ms, service shop",
        "Since: 2023-11-14 22:13:20 UTC",
        "How bad: about 1 in 3 extractions (38 of 120 extractions took 100 ms or more)",
        f"Likely cause: 81 % of slow time in SELECT … transactions ({LINE})",
        f"Traces: https://fe.example/trace/{'a' * 32} https://fe.example/trace/{'b' * 32}",
        "Page: https://fe.example/explore?since=1699999400000&until=1700000600000&service=shop&feature_set=transaction_history",
        "First: Open one of the traces: its longest client span names the service or statement that is slow.",
        "Runbook: https://fe.example/runbook#downstream",
    ]


def test_a_resolved_one_says_how_long_it_lasted_and_asks_for_nothing():
    text = text_of(made(State.RESOLVED))
    assert text.splitlines()[:3] == [
        "RESOLVED: p95 latency of transaction_history, service shop",
        "Since: 2023-11-14 22:13:20 UTC, until 2023-11-14 22:23:20 UTC (10 min)",
        "Ended: recovered",
    ]
    assert "First:" not in text


def test_without_a_dashboard_trace_ids_are_told_and_no_links():
    text = text_of(made(origin=Origin("shop")))
    assert f"Traces: {'a' * 32} {'b' * 32}" in text
    assert "http" not in text


def test_what_is_not_known_is_left_out():
    text = text_of(made(origin=Origin(), why=Likely(), exemplars=()))
    assert [line.partition(":")[0] for line in text.splitlines()] == ["PAGE", "Since", "How bad", "First"]


def test_a_runbook_of_ones_own_is_filled_in_and_escaped():
    origin = Origin("a b", "", "https://wiki/{cause}?s={service}&f={feature_set}&a={alert}")
    assert (
        made(origin=origin).runbook_url == "https://wiki/downstream?s=a%20b&f=transaction_history&a=latency_threshold"
    )


@pytest.mark.parametrize("url", ["ftp://x", "fe.example", "https://", "javascript:alert(1)", "https://user:secret@x/"])
def test_addresses_that_no_browser_should_open_are_refused_without_showing_secrets(url):
    with pytest.raises(ConfigurationError) as refused:
        Origin("", url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("bad", "total", "words"),
    [
        (1, 1, "every extraction"), (99, 100, "nearly every extraction"), (90, 100, "nearly every extraction"),
        (70, 100, "7 in 10 extractions"), (36, 100, "4 in 10 extractions"), (35, 100, "about 1 in 3 extractions"),
        (10, 100, "about 1 in 10 extractions"), (1, 1_000, "about 1 in 1000 extractions"),
    ],
)  # fmt: skip
def test_shares_are_said_as_a_person_says_them(bad, total, words):
    assert share_in_words(bad, total) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (3_900, "1 h 5 min"),
        (187_200, "2 d 4 h"),
        (-3, "0 s"),
    ],
)
def test_durations_are_said_as_a_person_says_them(seconds, words):
    assert elapsed(seconds) == words
