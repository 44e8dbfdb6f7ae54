"""Span data is escaped on every page."""

from __future__ import annotations

import pytest

from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.dashboard.seeded import kept, metrics
from tests.unit.store.parts import MINUTE

HOSTILE = (
    "\"><script src=//evil.example/x.js></script><img src=x onerror=alert(1)>'{{7*7}}</textarea></title>javascript:"
)
PATHS = [
    "/",
    "/explore",
    "/explore?low=100",
    "/slo",
    "/alerts",
    "/resources?hit_rate=50",
    "/policies",
    f"/trace/{0xBAD:032x}",
]


@pytest.fixture
def hostile(own):
    """Return a site over a store in which every name is an attack."""
    bed, asked = own
    decision = kept(1, NOW - MINUTE, 250_000_000).record | {
        "trigger": HOSTILE,
        "outcome": HOSTILE,
        "policy": HOSTILE,
        "trace_id": f"{0xBAD:032x}",
    }
    decision["votes"] = [{"policy": HOSTILE, "vote": HOSTILE, "saw": HOSTILE}]
    trace = kept(
        0xBAD,
        NOW - MINUTE,
        250_000_000,
        HOSTILE,
        HOSTILE,
        policy=HOSTILE,
        attributes={HOSTILE: HOSTILE},
        name=HOSTILE,
        error=True,
    )
    fields = {name: getattr(trace, name) for name in trace.__slots__} | {"root": HOSTILE, "record": decision}
    bed.write("trace", type(trace)(**fields), kept(2, NOW - MINUTE, 20_000_000))
    bed.write("metrics", [metrics(NOW - 3 * MINUTE, HOSTILE, HOSTILE, 400, 200, 30, 300)])
    bed.write("record", decision)
    return asked


@pytest.mark.parametrize("path", PATHS)
def test_hostile_names_stay_text(hostile, path):
    page = hostile.text(path)
    elements = Elements(page)
    assert "evil.example" in page, "the name is not shown at all, so that this tests nothing"
    assert all(one.get("src", "").startswith("/static/dashboard.js") for one in elements.all("script"))
    assert not elements.all("img")
    assert not [attrs for _, attrs in elements.found if any(name.startswith("on") or name == "style" for name in attrs)]
    assert all(one["href"].startswith(("/", "#", "http://localhost:16686/trace/")) for one in elements.all("a"))
    assert "49" not in page or "{{7*7}}" in page.replace("&#34;", '"')


@pytest.mark.parametrize(
    "query",
    [
        f"service={HOSTILE}",
        f"feature_set={HOSTILE}",
        f"policy={HOSTILE}",
        f"slo={HOSTILE}",
        f"range={HOSTILE}",
        f"low={HOSTILE}",
    ],
)
def test_a_hostile_address_stays_text(asked, query):
    from urllib.parse import quote

    name, _, value = query.partition("=")
    for path in ("/", "/explore", "/slo", "/policies"):
        elements = Elements(asked.answer(f"{path}?{name}={quote(value)}").body.decode())
        assert all(one.get("src", "").startswith("/static/") for one in elements.all("script"))
        assert not elements.all("img")


def test_no_page_has_script_or_style_in_it(asked):
    """No page contains inline script or style, which its content security policy forbids."""
    for path in ("/", "/explore?low=100", "/slo?slo=latency", "/resources", "/policies"):
        page = asked.text(path)
        elements = Elements(page)
        assert not elements.all("style")
        assert not [attrs for _, attrs in elements.found if "style" in attrs]
        assert [one["src"].split("?")[0] for one in elements.all("script")] == ["/static/dashboard.js"]


def test_reports_are_escaped(hostile):
    page = hostile.text("/export.html")
    assert "evil.example" in page
    assert not Elements(page).all("script")
    assert not Elements(page).all("img")
