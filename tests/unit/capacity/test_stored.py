"""The capacity of a simulated service, read back from a store: reading, words, JSON and the command."""

from __future__ import annotations

import json

import pytest

from otel_fe.capacity.services import capacity_of, requirements
from otel_fe.capacity.stored_measurements import read_measured, services_of
from otel_fe.capacity.text import document, in_words
from otel_fe.cli.main import main
from otel_fe.clock import SystemClock
from otel_fe.config.openslo import default_slos
from tests.unit.capacity.conftest import RATES, SERVICE, UNTIL
from tests.unit.capacity.simulated import true_p95
from tests.unit.store.parts import T0

WINDOW = (T0, UNTIL)


@pytest.fixture(scope="module")
def found(stored):
    (one,) = capacity_of(stored.reader, default_slos(), WINDOW, 2.0)
    return one


@pytest.mark.thorough
def test_windows_are_read_as_they_were_written(stored):
    """Rates, CPU, pools and sizes are those of the simulation."""
    assert services_of(stored.reader) == ["service"]
    seen = read_measured(stored.reader, "service", WINDOW)
    assert len(seen.windows) == len(RATES)
    assert [one.rate for one in seen.windows] == pytest.approx(RATES, rel=0.15)
    setup = seen.setup
    assert (setup.processes, setup.cores, setup.machines, setup.has_gil) == (2, 8, 1, True)
    assert setup.pools["primary"].size == SERVICE.pool
    assert setup.missing == ()
    last = seen.windows[-1]
    assert last.process_cpu_s == pytest.approx(last.cpu_s, rel=0.01)
    assert last.pools["primary"].use_s / last.pools["primary"].uses == pytest.approx(0.03, rel=0.1)
    rows = seen.rows
    assert {one.feature_set for one in rows} == {"profile"}
    assert len({(one.start_ns - T0) // 60_000_000_000 for one in rows}) == len(RATES)  # of all times


@pytest.mark.thorough
def test_a_stored_service_has_its_capacity(found):
    """p95 at twice the traffic and the knee, within 20 % of the simulation; the pool gives out first."""
    whole = found.whole
    assert found.refused == ""
    assert whole.now == pytest.approx(40, rel=0.1)
    assert whole.p95_then_s.value == pytest.approx(true_p95(SERVICE, 2 * whole.now, 300), rel=0.2)
    knee = whole.headroom.value
    limit = requirements(default_slos(), "service", None)[0].limit_s
    low, high = true_p95(SERVICE, knee / 1.2, 400), true_p95(SERVICE, knee * 1.2, 400)
    assert low < limit < high
    assert whole.first == "primary"


def test_words_and_json_say_the_same(found):
    text = in_words([found])
    (value,) = document([found])
    group = value["groups"][0]
    assert "headroom" in text
    assert "primary gives out first" in text
    assert group["gives_out_first"] == "primary"
    assert group["headroom_per_s"]["low"] <= group["headroom_per_s"]["value"] <= group["headroom_per_s"]["high"]
    assert json.dumps(value, allow_nan=False)


@pytest.mark.thorough
def test_the_command_answers(stored, monkeypatch, capsys):
    """The command prints text, JSON, and an error for an unknown service."""
    monkeypatch.setattr(SystemClock, "time_ns", lambda self: UNTIL)
    arguments = ["capacity", "--store", str(stored.directory), "--since", "1h"]
    assert main([*arguments, "--traffic", "150%"]) == 0
    assert "at 1.5x" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["services"][0]["traffic_factor"] == 2
    assert main([*arguments, "--service", "other"]) == 1
    assert "it has service" in capsys.readouterr().err
    assert main([*arguments, "--since", "5m"]) == 0
    assert "nothing can be said" in capsys.readouterr().out


@pytest.mark.parametrize("factor", ["0", "nan", "much", "200x"])
def test_a_factor_that_is_none_is_refused(factor, capsys):
    with pytest.raises(SystemExit):
        main(["capacity", "--traffic", factor])
    assert factor in capsys.readouterr().err
