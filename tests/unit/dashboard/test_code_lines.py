"""Lines of code on the pages: of a trace, of a selection, and of a selection against the rest."""

from __future__ import annotations

import json
import re

import pytest

from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.store.parts import extraction, trace
from tests.unit.store.test_slow_extractions import with_stacks

RESIZE = "shop/embedding.py:88 Image.resize"


@pytest.fixture
def asked(own):
    """Return the pages of a slow extraction of a minute ago that resized, and one of half an hour ago that waited for a lock."""
    bed, asked = own
    resized = with_stacks(
        7, [f"cpu;app.py:3 handle;{RESIZE} 61000", "lock;app.py:9 wait 4000"], [f"cpu {RESIZE} 61000"]
    )
    locked = with_stacks(7, ["lock;app.py:9 wait 100000"], ["lock app.py:9 wait 100000"])
    bed.write("trace", trace(0xA, extraction(NOW - 60 * 10**9, 125_000_000, span_id=7), spans=resized))
    bed.write("trace", trace(0xB, extraction(NOW - 1800 * 10**9, 300_000_000, span_id=7, cause="lock"), spans=locked))
    return asked


def test_trace_names_its_line_with_its_milliseconds(asked):
    page = asked.text(f"/trace/{0xA:032x}")
    facts = re.sub("<[^>]*>", "", page[page.index('id="line"') :].partition("</p>")[0])
    assert "Image.resize" in facts
    assert "shop/embedding.py:88, 61 ms of 125 ms" in facts


def test_trace_has_a_flame_graph_of_its_stacks(asked):
    boxes = json.loads(asked.answer(f"/trace/{0xA:032x}.json").body)["code"]["flames"]["boxes"]
    assert [box["label"] for box in boxes if box["depth"] == 0] == ["cpu", "lock"]
    assert [box["label"] for box in boxes if box["cause"] == "cpu"][1:] == ["app.py:3 handle", RESIZE]
    page = asked.text(f"/trace/{0xA:032x}")
    assert f"<title>{RESIZE}: 61 ms</title>" in page


def test_selection_is_compared_with_the_other_slow_extractions(asked):
    page = asked.text("/explore?range=1h&high=200&low=100")
    assert "against the other slow ones" in page
    assert f"<title>{RESIZE}: 61 ms, +61 ms to the rest</title>" in page
    assert "<title>Lock: 4 ms, \N{MINUS SIGN}96 ms to the rest</title>" in page


def test_window_shows_the_lines_of_all_its_slow_extractions(asked):
    found = json.loads(asked.answer("/explore.json?range=1h").body)["code"]
    assert [(one["frame"]["function"], one["mean_ns"]) for one in found["hotspots"]] == [
        ("wait", 50_000_000),
        ("Image.resize", 30_500_000),
    ]
    assert (found["sampled"], found["extractions"], found["compared"]) == (2, 2, False)


def test_names_from_spans_are_escaped(own):
    bed, asked = own
    hostile = "<script>alert(1)</script>.py:1 <img/src=x>"
    bed.write(
        "trace",
        trace(
            0xA,
            extraction(NOW - 10**9, span_id=7),
            spans=with_stacks(7, [f"cpu;{hostile} 9000"], [f"cpu {hostile} 9000"]),
        ),
    )
    page = asked.text(f"/trace/{0xA:032x}")
    assert "alert(1)" in page
    assert not [tag for tag, _ in Elements(page).found if tag == "img"]
    assert "<script>alert" not in page


def test_no_stacks_no_section(own):
    bed, asked = own
    bed.write("trace", trace(0xA, extraction(NOW - 10**9)))
    assert 'id="code"' not in asked.text(f"/trace/{0xA:032x}")


def test_recommendations_name_the_line(asked):
    assert f"mostly in <code>{RESIZE}</code>" in asked.text("/?range=1h")


def test_only_causes_of_the_window_can_be_chosen(asked):
    page = asked.text("/explore?range=1h")
    chips = page[page.index('class="bar"') : page.index('id="code"')]
    assert "cause=cpu" in chips
    assert "cause=gc" not in chips
