"""Changes on the pages and in the terminal: marked, compared, and shown with their prediction."""

from __future__ import annotations

import json
import random
import re

import pytest

from otel_fe import semconv
from otel_fe.changes import Mark
from otel_fe.changes.mark import POOL_SIZE, RESTART, VERSION
from otel_fe.cli.main import main
from otel_fe.dashboard.changes import changes_of, windows_of
from otel_fe.dashboard.page_context import PageContext
from otel_fe.store.slots import SPLIT_CAUSES
from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.dashboard.seeded import pool_metrics
from tests.unit.store.parts import MINUTE, T0, extraction, otlp, trace

MS = 1_000_000
AT = NOW - 30 * MINUTE


def deployed(bed, *, cpu_ms=(20, 40), wait_ms=(30, 30), version=("1", "1"), pool=(5, 5), seed=1):
    """Store an hour of one service that changes in the middle, from the first of each pair to the second."""
    chance = random.Random(seed)
    for number in range(1_200):
        start = NOW - 60 * MINUTE + number * 3_000 * MS + 1
        side = start >= AT
        cpu = round(chance.expovariate(1 / (cpu_ms[side] * MS)))
        wait = round(chance.expovariate(1 / (wait_ms[side] * MS)))
        resource = {"service.name": "shop", "service.version": version[side], "service.instance.id": version[side]}
        told = {semconv.POOL_NAME: "primary", semconv.POOL_SIZE: pool[side]}
        spans = otlp((number + 1, 7, 0, "feature_extraction", told), resource=resource)
        moved = spans.replace(T0.to_bytes(8, "little"), start.to_bytes(8, "little"))
        split = {"cpu": cpu, "pool_wait": wait}
        one = extraction(start, cpu + wait, split=dict.fromkeys(SPLIT_CAUSES, 0) | split)
        bed.write("trace", trace(number + 1, one, spans=moved))


@pytest.fixture
def slower(own):
    bed, asked = own
    deployed(bed, version=("1.4", "1.5"))
    return bed, asked


def test_a_deployment_says_what_it_did_at_p95_and_by_cause(slower):
    """CPU time doubles from 20 to 40 ms in the mean, waits stay as they were."""
    _, asked = slower
    (found,) = changes_of(asked.site._stored, (NOW - 60 * MINUTE, NOW), None, None)
    assert found.title == "service.version 1.4 → 1.5"
    assert (found.before[1], found.after[0]) == (found.mark.time_ns,) * 2
    assert found.effect.startswith("p95 +")
    assert ", of it CPU +" in found.effect
    assert "wait" not in found.effect.lower()
    assert [one.cause for one in found.compared.causes if one.change.significant] == ["cpu"]


def test_every_chart_of_every_page_marks_it(slower):
    """With a line that says what it is when pointed at, and in the label that a screen reader reads."""
    bed, asked = slower
    for metric in pool_metrics(NOW - 20 * MINUTE):
        bed.points(metric)
    marked = {}
    for path in ("/", "/explore", "/resources"):
        elements = Elements(asked.text(f"{path}?range=1h"))
        charts = [one for one in elements.all("svg") if one.get("class", "").split()[:1] in (["chart"], ["heat"])]
        lines = [one for one in elements.all("line") if one.get("class") == "change"]
        assert len(lines) == len(charts), path
        marked[path] = [one.get("aria-label", "") for one in charts] + [one.get("aria-label", "") for one in lines]
    assert any("service.version 1.4 → 1.5 at" in label for label in marked["/explore"])
    page = asked.text("/?range=1h")
    assert '<h2 id="changes-h">Changes</h2>' in page
    assert "service.version 1.4 → 1.5" in page
    (change,) = json.loads(asked.text("/overview.json?range=1h"))["changes"]
    assert change["title"] == "service.version 1.4 → 1.5"


def test_a_change_without_effect_claims_none(own):
    bed, asked = own
    deployed(bed, cpu_ms=(20, 20), version=("1", "2"))
    (found,) = changes_of(asked.site._stored, (NOW - 60 * MINUTE, NOW), None, None)
    assert found.effect.startswith("no difference beyond chance: p95 ")


def test_followed_advice_is_verified(own, monkeypatch, capsys):
    """The page predicted the effect of a pool of 6; after it was made 6, the list and the command show the measured effect."""
    bed, asked = own
    deployed(bed, cpu_ms=(20, 20), wait_ms=(13.5, 6), pool=(5, 6))
    for minute in range(58, 31, -1):
        bed.points(*pool_metrics(NOW - minute * MINUTE, service="shop"))
    found = changes_of(asked.site._stored, (NOW - 60 * MINUTE, NOW), None, None)
    assert [one.mark.kind for one in found] == [POOL_SIZE]
    assert found[0].title == "pool primary 5 → 6"
    if found[0].predicted_ns is None:
        pytest.fail(f"nothing was predicted: {found[0]}")
    assert found[0].predicted_ns < 0
    assert found[0].verified.startswith("predicted −")  # noqa: RUF001 a minus sign
    assert ", measured −" in found[0].verified  # noqa: RUF001
    monkeypatch.setattr(PageContext, "now_ns", lambda self: NOW)
    assert main(["changes", "--store", str(bed.directory), "--since", "1h"]) == 0
    said = capsys.readouterr().out
    assert "pool primary 5 → 6\n" in said
    (line,) = (line for line in said.splitlines() if line.startswith("    predicted "))
    assert line == f"    {found[0].verified}"
    assert re.fullmatch(r"predicted \S+ ms, measured \S+ ms \(\S+ to \S+ ms\)", line.strip())


def test_windows_end_at_other_changes():
    """A deployment's roll-out is in neither window, and the window after it ends at the service's next change."""
    minute = MINUTE
    first = Mark(100 * minute, "shop", VERSION, before="1", after="2", until_ns=104 * minute)
    restart = Mark(130 * minute, "shop", RESTART, until_ns=130 * minute)
    other = Mark(110 * minute, "another", RESTART, until_ns=110 * minute)
    assert windows_of(first, [first, restart, other], 500 * minute) == (
        (40 * minute, 100 * minute),
        (104 * minute, 130 * minute),
    )
    assert windows_of(restart, [first, restart, other], 140 * minute) == (
        (104 * minute, 130 * minute),
        (130 * minute, 140 * minute),
    )
    recycled = Mark(100 * minute, "shop", RESTART, until_ns=900 * minute, count=50)
    assert windows_of(recycled, [recycled], 300 * minute) == ((40 * minute, 100 * minute), (110 * minute, 170 * minute))


def test_changes_in_a_terminal(slower, monkeypatch, capsys):
    bed, _ = slower
    monkeypatch.setattr(PageContext, "now_ns", lambda self: NOW)
    assert main(["changes", "--store", str(bed.directory), "--since", "1h"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith("shop  service.version 1.4 → 1.5")
    assert second.strip().startswith("p95 +")
    assert main(["changes", "--store", str(bed.directory), "--since", "1h", "--json"]) == 0
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert (change["kind"], change["before"], change["after"]) == ("version", "1.4", "1.5")
    assert change["effect"]["p95"]["significant"]
    assert change["effect"]["causes"][0]["cause"] == "cpu"
    assert main(["autopilot", "history", "--store", str(bed.directory)]) == 0
    assert "took no step" in capsys.readouterr().out
