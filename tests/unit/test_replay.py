"""`otel-fe replay`: what it reads, what it says, and what it refuses."""

from __future__ import annotations

import argparse
import gzip
import json

import pytest
import zstandard

from otel_fe.cli import main
from otel_fe.model.span import Resource, Scope, Span
from otel_fe.replay.command import replay
from otel_fe.wire.json import from_protobuf
from tests.corpus.wire import encode

RESOURCE, SCOPE = Resource({"service.name": "shop"}), Scope("x")
START = 1_790_000_000_000_000_000
MS = 1_000_000
CONFIG = """
receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}
processors:
  tail_sampling:
    decision_wait: 2s
    policies:
      - {{name: failed, type: status_code, status_code: {{status_codes: [ERROR]}}}}
      - {{name: slow, type: latency, latency: {{threshold_ms: {threshold}}}}}
exporters: {{nop: {{}}}}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [nop]}}}}}}
"""


def span(trace, number=1, parent=0, at_ms=0, ms=10, status=0):
    """Return a span, `at_ms` after the start of the recording."""
    start = START + at_ms * MS
    return Span(
        trace,
        number,
        parent,
        "work",
        start_ns=start,
        end_ns=start + ms * MS,
        status=status,
        resource=RESOURCE,
        scope=SCOPE,
    )


REQUESTS = [
    encode([span(1), span(2, ms=150)]),
    encode([span(3, at_ms=500, status=2), span(4, 2, 1, at_ms=600)]),
    encode([span(4, at_ms=600, ms=80), span(5, 2, 1, at_ms=700, ms=300)]),
    encode([span(4, 3, 1, at_ms=90_000)]),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two configurations."""
    monkeypatch.chdir(tmp_path)
    for threshold in (99, 199):
        (tmp_path / f"{threshold}.yaml").write_text(CONFIG.format(threshold=threshold))
    return tmp_path


ZSTD = zstandard.ZstdCompressor()


def framed(messages):
    """Return messages, each behind its length."""
    return b"".join(len(one).to_bytes(4, "big") + one for one in messages)


def written(folder, form):
    """Write the recording in one of the forms that are read."""
    lines = [from_protobuf("traces", request) for request in REQUESTS]
    files = {
        "framed": [framed(REQUESTS)],
        "files": REQUESTS,
        "lines": [b"\n".join(lines) + b"\n"],
        "gzip": [gzip.compress(b"\n".join(lines))],
        "zstd": [ZSTD.compress(b"\n".join(lines[:2]) + b"\n") + ZSTD.compress(b"\n".join(lines[2:]))],
        "zstd proto": [framed(map(ZSTD.compress, REQUESTS))],  # as the Collector's `file` exporter writes both
        "zstd json": [framed(map(ZSTD.compress, lines))],
        "pretty": [json.dumps(json.loads(line), indent=2).encode() for line in lines],
    }[form]
    names = []
    for number, content in enumerate(files):
        (folder / f"{number}.rec").write_bytes(content)
        names.append(f"{number}.rec")
    return names


@pytest.mark.parametrize("form", ["framed", "files", "lines", "gzip", "zstd", "zstd proto", "zstd json", "pretty"])
def test_every_form_of_recording_gives_the_same(folder, form, capsys):
    """Three of five traces are kept: an error, a slow one, and one that is slow although its root is missing.

    Another one becomes slow by a span that comes 90 s later, when it has been decided.
    """
    assert main(["replay", "--config", "99.yaml", "--json", *written(folder, form)]) == 0
    found = json.loads(capsys.readouterr().out)["policies"]["99.yaml"]
    assert {k: (found[k]["kept"], found[k]["total"]) for k in ("traces", "spans", "failed", "slow")} == {
        "traces": (3, 5),
        "spans": (3, 7),
        "failed": (1, 1),
        "slow": (2, 3),
    }
    assert found["by_policy"] == {"slow": 2, "failed": 1}
    assert found["by_trigger"] == {"final_vote": 3, "decision_wait": 2}
    assert (found["late_spans"], found["estimated_traces"], found["unknown_weights"]) == (1, 3.0, 0)


def test_against_another_policy_it_says_who_changes_sides_and_why(folder, capsys):
    """The trace of 150 ms is not slow any more; both decisions are explained."""
    assert main(["replay", "--config", "199.yaml", "--against", "99.yaml", *written(folder, "framed")]) == 0
    text = capsys.readouterr().out
    assert "1 traces change sides: 0 are kept now, 1 no more" in text
    assert "00000000000000000000000000000002  kept by slow, weight 1 → not sampled" in text
    assert "slow: not sampled, 150 ms < 200 ms" in text


def test_waiting_as_the_collector_does_decides_later(folder, capsys):
    """No trace is decided before its decision wait has passed under --wait."""
    assert main(["replay", "--config", "99.yaml", "--wait", "--json", *written(folder, "framed")]) == 0
    found = json.loads(capsys.readouterr().out)["policies"]["99.yaml"]
    assert found["by_trigger"] == {"decision_wait": 5}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "give recordings that hold spans"),
        (b'{"resourceSpans": 5}', "0.rec:1"),
        (b'{"resourceSpans": []}\nrubbish', "0.rec"),
        (b"rubbish", "use OTLP traces"),
        (b"\x1f\x8brubbish", "its gzip is damaged"),
        (b"\x28\xb5\x2f\xfdrubbish", "its zstd is damaged"),
        (zstandard.ZstdCompressor().compress(REQUESTS[0])[:-3], "its zstd is damaged"),
        (b"\x00\x00\x00\x08\x28\xb5\x2f\xfdrubb", "0.rec, request 1"),
    ],
)
def test_rubbish_is_refused_with_its_place(folder, content, said, capsys):
    """File, line where there is one, and what would be right."""
    (folder / "0.rec").write_bytes(content)
    assert main(["replay", "--config", "99.yaml", "0.rec"]) == 1
    assert said in capsys.readouterr().err


def test_a_configuration_without_a_sampler_is_refused(folder, capsys):
    """`replay` refuses a configuration that has no tail sampling processor."""
    (folder / "none.yaml").write_text(
        CONFIG.format(threshold=1)
        .replace("processors: [tail_sampling], ", "")
        .replace("tail_sampling:", "batch:")
        .split("    decision_wait")[0]
        + "exporters: {nop: {}}\nservice: {pipelines: {traces: {receivers: [otlp], processors: [batch], exporters: [nop]}}}"
    )
    assert main(["replay", "--config", "none.yaml", *written(folder, "framed")]) == 1
    assert "name one processor of the file with --processor: none" in capsys.readouterr().err


def test_progress_says_how_many_spans_were_replayed(folder):
    """Progress counts the spans of each configuration over all files."""
    recording = folder / "traces.jsonl"
    recording.write_bytes(b"\n".join(from_protobuf("traces", request) for request in REQUESTS))
    said = []
    arguments = argparse.Namespace(
        config="99.yaml", against="199.yaml", recorded=[str(recording)] * 2, processor="", slow_ms=100.0, wait=False, json=False,
        changes=20,
    )  # fmt: skip
    replay(arguments, {}, said.append)
    assert said[3] == "replaying with 99.yaml, file 1 of 2: 7 spans"
    assert said[7] == "replaying with 99.yaml, file 2 of 2: 14 spans"
    assert said[15] == "replaying with 199.yaml, file 2 of 2: 14 spans"
