"""`otel-fe up`: its configuration, its ports, and what it prints."""

from __future__ import annotations

import io
import socket
import sys

import pytest

from otel_fe.cli.default_folders import default_store
from otel_fe.cli.main import main
from otel_fe.cli.service_lines import SeenService, seen_services
from otel_fe.cli.up import configuration
from otel_fe.cli.up_announcer import ServiceLines, guide
from otel_fe.config.collector import read_collector_config
from otel_fe.config.gaps import gaps_of
from otel_fe.dashboard.page_context import PageContext
from otel_fe.testing import FakeClock
from tests.unit.dashboard.conftest import NOW, filled  # noqa: F401 a fixture
from tests.unit.store.parts import HOUR


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_configuration_is_a_valid_collector_s_and_lacks_nothing():
    """`otel-fe collector --config` takes it as it is printed."""
    config = read_collector_config(configuration(1, 2), "up.yaml", {})
    assert gaps_of(config) == ()
    (receiver,) = config.receivers.values()
    assert (receiver.grpc.endpoint, receiver.http.endpoint) == ("localhost:1", "localhost:2")


def test_configuration_is_printed(capsys):
    """The printed configuration has the requested ports."""
    assert main(["up", "--print-config", "--grpc-port", "14317"]) == 0
    assert capsys.readouterr().out == configuration(14317, 4318)


@pytest.mark.parametrize("option", ["--grpc-port", "--http-port", "--dashboard-port"])
def test_taken_port_is_one_sentence_with_what_to_do(option, tmp_path, capsys):
    """Before anything is written or started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        others = [f"--{name}-port=0" for name in ("grpc", "http", "dashboard") if f"--{name}-port" != option]
        assert main(["up", option, number, *others, "--store", str(tmp_path / "store")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"cannot listen on localhost:{number}: the port is taken by " in line
    assert line.endswith(f"choose another port with {option} (0 for a free one)")
    assert not (tmp_path / "store").exists()


def test_guide_has_three_lines_to_export_and_says_where_everything_is(tmp_path):
    text = guide("localhost:1 (OTLP/gRPC)", "localhost:1", "http://localhost:2/", tmp_path, colour=False)
    assert [line.split("=")[0] for line in text.splitlines() if "export " in line] == [
        "    export OTEL_EXPORTER_OTLP_ENDPOINT",
        "    export OTEL_SERVICE_NAME",
        "    export OTEL_FE_TARGETS",
    ]
    assert all(part in text for part in (str(tmp_path), "http://localhost:2/", "p95 below 100 ms", "Ctrl-C"))


def test_services_are_seen_with_their_figures(filled):  # noqa: F811 the fixture
    """All that sent in the last five minutes."""
    found = seen_services(PageContext(filled.reader, filled.directory, FakeClock(NOW)), NOW - HOUR)
    assert [(one.service, one.feature_sets) for one in found] == [("feature-service", 2), ("ranking", 1)]
    assert all(one.per_s and one.p95_ns for one in found)


@pytest.mark.parametrize(
    ("service", "line"),
    [
        (SeenService("shop", 4, 277.31, 9_500_000, 0), "shop: 4 feature sets, 277/s, p95 9.5 ms"),
        (SeenService("shop", 1, 2.0, 151e6, 1_200), "shop: 1 feature set, 2/s, p95 151 ms, 1,200 slow"),
        (SeenService("shop", 1, None, None, 0), "shop: 1 feature set; rates and percentiles come with its next metrics, within a minute"),
        (SeenService("", 0, None, None, 0), "(no service.name): traces, but no feature extractions yet; OTEL_FE_TARGETS names the functions to measure"),
    ],
)  # fmt: skip
def test_line_of_a_service_says_what_is_missing(service, line):
    assert str(service) == line


def seen(service, per_s):
    return SeenService(service, 1, per_s, None, 0)


def test_lines_are_rewritten_in_place_on_a_terminal(monkeypatch):
    """Cut to its width, since a line that wraps could not be erased; what else is printed comes above them."""
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setenv("COLUMNS", "20")
    lines = ServiceLines()
    lines.show([seen("a", 1.0), seen("bcdefghij", 1.0)])
    lines.above("an error")
    lines.show([seen("a", 2.0)])
    before, up = "a: 1 feature set, 1\nbcdefghij: 1 featur\n", "\033[F\033[J"
    assert out.getvalue() == f"{before}{up}{up}an error\n{before}{up}{up}a: 1 feature set, 2\n"


def test_lines_are_printed_sparingly_elsewhere(monkeypatch, capsys):
    """A log file gets a line when a service appears, when its figures do, and again after a minute."""
    now = [0.0]
    monkeypatch.setattr("otel_fe.cli.up_announcer.time.monotonic", lambda: now[0])
    lines = ServiceLines()
    for now[0], per_s in ((0.0, None), (2.0, 1.0), (4.0, 2.0), (63.0, 3.0), (200.0, 3.0)):
        lines.show([seen("a", per_s)])
    printed = capsys.readouterr().out.splitlines()
    assert [line.partition("set")[2][:4] for line in printed] == ["; ra", ", 1/", ", 3/"]


def test_store_is_where_state_belongs():
    """The store's folder follows the XDG base directory specification, which ignores relative paths."""
    assert str(default_store({"XDG_STATE_HOME": "/state"})) == "/state/otel_fe/store"
    assert default_store({"XDG_STATE_HOME": "state"}) == default_store({})
    assert str(default_store({})).endswith("/.local/state/otel_fe/store")
