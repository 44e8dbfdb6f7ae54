"""The page about policies: the configuration in force without its secrets, and a replay that reads only the store."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.page_context import PageContext
from otel_fe.dashboard.policy_text import EXAMPLE, as_configuration, policies_in
from otel_fe.dashboard.policy_view import policy_view, replayed
from otel_fe.dashboard.site import Site
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.testing import FakeClock
from tests.unit.dashboard.conftest import NOW, Asked
from tests.unit.dashboard.seeded import kept
from tests.unit.store.parts import MINUTE

CONFIG = """
receivers:
  otlp: {protocols: {grpc: {endpoint: localhost:4317}}}
processors:
  batch: {}
  tail_sampling/fast:
    decision_wait: 5s
    policies:
      # Everything slow.
      - {name: slow, type: latency, latency: {threshold_ms: 100}}
      - name: never
        type: latency
        latency: {threshold_ms: 900000}
exporters:
  otlp:
    endpoint: tempo.example:4317
    headers: {authorization: "Bearer sesame"}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [tail_sampling/fast, batch], exporters: [otlp]}
"""
WEEK = ViewAddress(range="7d")


def slow_only(threshold_ms):
    return (
        f"tail_sampling:\n  policies:\n    - {{name: slow, type: latency, latency: {{threshold_ms: {threshold_ms}}}}}\n"
    )


@pytest.fixture
def traced(own):
    """Return a store with traces of 50, 150, 250 and 350 ms."""
    bed, asked = own
    bed.write("trace", *(kept(n + 0x100, NOW - MINUTE, (50 + 100 * n) * 1_000_000) for n in range(4)))
    return asked


def test_only_the_policies_are_shown(own, tmp_path):
    """Endpoints, headers and tokens of the same file are not."""
    bed, _ = own
    bed.write("trace", kept(1, NOW - MINUTE, 250_000_000))
    file = tmp_path / "collector.yaml"
    file.write_text(CONFIG)
    stored = PageContext(bed.reader, bed.directory, FakeClock(NOW), config=file)
    page = Asked(Site(stored, Access(Endpoint("localhost", 1)))).text("/policies")
    assert "# Everything slow." in page
    assert "sesame" not in page
    assert "tempo.example" not in page
    assert {one["policy"]: one["extractions"] for one in policy_view(stored, WEEK)["kept"]} == {"slow": 1, "never": 0}


@pytest.mark.parametrize("text", ["", "a: [", "- x", "processors: 3", "processors: {batch: {}}", "\x00", "&a [*a]"])
def test_a_file_without_policies_shows_none(text):
    assert policies_in(text) == ""


def test_a_section_comes_out_as_it_stands_whatever_its_style():
    assert policies_in("processors: {tail_sampling: {policies: []}}") == "tail_sampling: {policies: []}\n"
    section = policies_in(CONFIG)
    assert section.startswith("tail_sampling/fast:\n  decision_wait: 5s\n")
    assert policies_in(as_configuration(section)) == section
    assert policies_in(as_configuration(EXAMPLE)) == EXAMPLE


def test_a_replay_says_what_would_be_kept_and_what_would_be_lost(traced):
    found = replayed(traced.site._stored, WEEK, slow_only(200))["result"]
    assert (found["summary"].traces.kept, found["summary"].traces.total) == (2, 4)
    assert [one["duration_ns"] for one in found["lost"]] == [150_000_000, 50_000_000]
    assert found["lost"][0]["record"]["votes"][0]["saw"].startswith("150 ms < 20")


def test_the_form_replays(traced):
    body = urlencode({"form_token": traced.site._access.form_token(), "policy": slow_only(200)}).encode()
    page = traced.answer("/policies?range=7d", "POST", body).body.decode()
    assert "What the edited policies would keep" in page
    assert "2 of 4" in page
    assert "threshold_ms: 200" in page


def test_it_says_how_many_of_how_many_traces_were_replayed(traced):
    """The page also says which part of the window was replayed; a trace counts once."""
    for newest, said in (("3", "The newest 3 of 4 stored traces"), ("", "All 4 stored traces")):
        form = {"form_token": traced.site._access.form_token(), "policy": slow_only(200), "newest": newest}
        page = traced.answer("/policies?range=7d", "POST", urlencode(form).encode()).body.decode()
        assert said in page
        assert ("Older ones were not replayed" in page) == bool(newest)
        assert f'data-ms="{(NOW - MINUTE) // 1_000_000}"' in page
    assert "Newest traces of the window, at most" in traced.text("/policies")


@pytest.mark.parametrize("newest", ["0", "-1", "10001", "99999999", "all", "1.5", "\u0664"])
def test_a_number_of_traces_that_cannot_be_is_said(traced, newest):
    found = replayed(traced.site._stored, WEEK, slow_only(200), newest)
    assert "use a whole number from 1 to 10000" in found["problem"]
    assert found["result"] is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "tail_sampling: {policies: [{name: a, type: unheard_of}]}",
        "tail_sampling: [",
        "tail_sampling: {polices: []}",
        "batch: {}",
        "tail_sampling: {policies: [{name: a, type: latency, latency: {threshold_ms: -5}}]}",
    ],
)
def test_what_cannot_be_replayed_says_why(traced, text):
    found = replayed(traced.site._stored, WEEK, text)
    assert found["problem"]
    assert found["result"] is None
    assert found["text"] == text


def test_a_replay_reads_no_variables_of_this_process(traced, monkeypatch):
    """A pasted policy must not read them out."""
    monkeypatch.setenv("SESAME", "open-sesame")
    text = "tail_sampling: {policies: [{name: '${env:SESAME}', type: '${env:SESAME}'}]}"
    assert "open-sesame" not in str(replayed(traced.site._stored, WEEK, text))


def test_without_traces_it_says_so(own):
    bed, asked = own
    bed.write("trace", kept(1, NOW - MINUTE, 50_000_000))
    assert "no stored traces" in replayed(asked.site._stored, ViewAddress(since="1", until="2"), EXAMPLE)["problem"]


def test_a_policy_nested_too_deeply_is_the_writer_s_fault(asked):
    """Fifty thousand levels: a sentence, at once."""
    for text in ("[" * 50_000, "a: " + "{b: " * 50_000, "- " * 50_000 + "x"):
        form = {"form_token": asked.site._access.form_token(), "policy": text}
        found = asked.answer("/policies", "POST", urlencode(form).encode())
        assert found.status == 200
        assert "nested too deeply" in found.body.decode()
