"""`otel-fe explain`: the words of the first page, in a terminal."""

from __future__ import annotations

import json

import pytest

from otel_fe.cli.main import main
from otel_fe.dashboard.page_context import PageContext
from otel_fe.testing import FakeClock
from tests.unit.dashboard.conftest import NOW, filled  # noqa: F401 a fixture
from tests.unit.store.parts import bed


@pytest.fixture
def explained(filled, monkeypatch, capsys):  # noqa: F811 the fixture
    """Run the command over a filled store at the time of its data."""
    monkeypatch.setattr(PageContext, "now_ns", lambda self: NOW)

    def run(*arguments):
        status = main(["explain", "--store", str(filled.directory), *arguments])
        return status, *capsys.readouterr()

    return run


def test_every_feature_set_has_its_sentence_and_what_to_do(explained):
    """The one with most slow extractions first."""
    status, out, err = explained()
    assert (status, err) == (0, "")
    first = out.split("\n\n")[0].splitlines()
    assert first[0].startswith("user_profile (feature-service): p95 ")
    assert " of slow time because of cache misses, " in first[0]
    assert any("Look at who holds connections" in line for line in first)
    assert len(out.split("\n\n")) == 3


def test_json_has_the_same_sentences(explained):
    """The JSON has the sentences of the text, and the ranking behind them."""
    _, text, _ = explained("--feature-set", "session")
    status, out, _ = explained("--feature-set", "session", "--json")
    (one,) = json.loads(out)["feature_sets"]
    assert status == 0
    assert text.startswith(one["sentence"] + "\n")
    assert one["cause"] == one["causes"][0]["cause"] == "cache_miss"
    assert one["causes"] == sorted(one["causes"], key=lambda cause: -cause["cost_share"])
    assert one["advice"][0]["action"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--feature-set", "user_profil"], "did you mean user_profile?"),
        (["--service", "x"], "--service x: the store has no service of this name; there are "),
        (["--since", "1ns"], "no extractions in that time; without --since, the last hour of data is explained"),
    ],
)
def test_nothing_to_say_is_a_finding(explained, arguments, message):
    """A misspelt name is not a service without problems."""
    status, out, err = explained(*arguments)
    assert (status, out) == (1, "")
    assert message in err


def test_missing_and_empty_stores_are_said(tmp_path, capsys):
    """A missing or empty store is reported in one line, without a traceback."""
    assert main(["explain", "--store", str(tmp_path / "none")]) == 1
    with bed(tmp_path / "empty", clock=FakeClock(NOW)):
        pass
    assert main(["explain", "--store", str(tmp_path / "empty")]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "nothing has been stored yet" in first
    assert "no extractions are stored yet" in second
