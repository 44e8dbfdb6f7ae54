"""The pages in a real browser, over a store that was filled by hand."""

from __future__ import annotations

import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from otel_fe.alerting.kept_silence import KeptSilence
from otel_fe.clock import SystemClock
from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import Access
from otel_fe.dashboard.page_context import PageContext, TraceLink
from otel_fe.dashboard.server import DashboardServer
from otel_fe.dashboard.site import Site
from otel_fe.store.silence_file import SilenceFile
from tests.unit.dashboard import traces
from tests.unit.dashboard.seeded import GROUPS, fill, metrics
from tests.unit.store.parts import MINUTE, bed

PAGES = (
    "/",
    "/explore",
    "/explore?low=100.000000",
    "/find?q=redis",
    "/find?q=user",
    "/slo?slo=latency&service=feature-service&feature_set=user_profile",
    "/alerts",
    "/alerts?slo=latency&service=feature-service&feature_set=user_profile",
    "/resources",
    "/resources?hit_rate=85&pool_size=8",
    "/resources?hit_rate=x&pool_size=0",
    "/resources?hit_rate=85&pool_size=4",
    "/capacity",
    "/capacity?traffic=1.5x",
    "/policies",
    f"/trace/{1:032x}",
    f"/trace/{1:032x}?span={100:016x}",
    f"/trace/{2:032x}",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return where a dashboard is served, and its store."""
    with bed(tmp_path_factory.mktemp("e2e") / "store", clock=SystemClock()) as made:
        fill(made.write, time.time_ns(), minutes=60, traces_a_minute=6)
        began = time.time_ns() - MINUTE
        made.write(
            "trace",
            traces.kept(traces.n_plus_one(), start_ns=began, splits=traces.N_PLUS_ONE_SPLIT),
            traces.kept(traces.failing(), trace_id=2, start_ns=began),
        )
        stored = PageContext(
            made.reader, made.directory, links=(TraceLink("Jaeger", "http://localhost:16686/trace/{trace_id}"),)
        )
        server = DashboardServer(Site(stored, Access(Endpoint("localhost", 0))), Endpoint("localhost", 0))
        server.start()
        yield server.url.rstrip("/"), made
        server.close()


def test_a_cell_leads_to_its_traces_and_back(page, served):
    """A click on a cell and one on its first trace open them, and going back twice returns to the map."""
    page.goto(f"{served[0]}/explore?range=15m&feature_set=user_profile")
    cells = page.locator("#heat a:has(rect.s8)")
    cells.first.click()
    query = parse_qs(urlsplit(page.url).query)
    assert {"t0", "t1", "low", "high", "feature_set"} <= set(query)
    assert page.locator("#verdict").get_attribute("data-cause") == "pool_wait"
    durations = page.locator("table.traces tbody tr td.num.bad").all_inner_texts()
    low, high = float(query["low"][0]), float(query["high"][0])
    assert durations
    assert all(low - 1 <= float(text.removesuffix(" ms")) <= high + 1 for text in durations)
    selected = page.url
    page.locator("table.traces tbody tr th a").first.click()
    assert "/trace/" in page.url
    assert page.locator("#why").inner_text().startswith("kept by `slow`:")
    assert page.locator("#cause").get_attribute("data-cause") == "pool_wait"
    assert page.get_by_text("Open in Jaeger").get_attribute("href").startswith("http://localhost:16686/trace/")
    page.go_back()
    assert page.url == selected
    page.go_back()
    assert "t0=" not in page.url
    assert page.complaints == []


def test_a_range_is_dragged(page, served):
    """Dragging from corner to corner makes the rectangle a URL, and the list shows the extractions in it."""
    page.goto(f"{served[0]}/explore?range=15m")
    box = page.locator("#heat").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=5)
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 90, steps=5)
    page.mouse.up()
    page.wait_for_url("**t0=**")
    query = {
        name: float(value[0])
        for name, value in parse_qs(urlsplit(page.url).query).items()
        if name in ("t0", "t1", "low", "high")
    }
    assert query["low"] < query["high"]
    assert 0.3 * 900_000 < query["t1"] - query["t0"] < 0.5 * 900_000
    assert page.locator("#selection").is_visible()
    assert page.complaints == []


def test_the_heat_map_works_by_keyboard(page, served):
    page.goto(f"{served[0]}/explore?range=15m")
    first = page.locator("#heat a").first
    first.focus()
    page.keyboard.press("ArrowRight")
    chosen = page.evaluate("document.activeElement.getAttribute('href')")
    assert chosen not in (None, first.get_attribute("href"))
    page.keyboard.press("Enter")
    page.wait_for_url("**low=**")
    assert page.locator("#selection").is_visible()


def test_the_first_trace_is_few_keys_away(page, served):
    """The skip link leads to the first trace in four keys, a shortcut in two; Tab does not stop at each cell of the heat map."""
    for path in ("/", "/explore"):
        page.goto(served[0] + path)
        for key in ("Tab", "Tab", "Enter", "Enter"):
            page.keyboard.press(key)
        page.wait_for_url("**/trace/**")
        page.goto(served[0] + path)
        page.keyboard.press("t")
        page.keyboard.press("Enter")
        page.wait_for_url("**/trace/**")
    page.goto(served[0] + "/explore")
    assert page.locator("#heat a").count() > 50
    assert page.locator("#heat a[tabindex='0']").count() == 1
    assert page.complaints == []


def test_shortcuts_are_listed_and_can_be_turned_off(page, served):
    page.goto(served[0] + "/explore")
    page.keyboard.press("?")
    assert "Go to a page, a feature set or a trace" in page.locator("#help").inner_text()
    page.get_by_label("Shortcuts of one key").uncheck()
    page.keyboard.press("Escape")
    page.locator("main").focus()
    page.keyboard.press("?")
    assert not page.locator("#help").is_visible()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Shortcuts of one key").check()
    page.keyboard.press("Escape")
    page.locator("main").focus()
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/alerts")
    assert page.complaints == []


def test_the_palette_goes_where_its_words_say(page, served):
    """Ctrl+K, a part of a name, Enter; and what is no name is searched for."""
    page.goto(served[0] + "/")
    page.keyboard.press("Control+k")
    page.keyboard.type("image")
    assert "image_embedding" in page.locator("#palette [aria-selected=true]").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url("**/explore?feature_set=image_embedding")
    page.keyboard.press("Control+k")
    page.keyboard.type("timed out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/find?q=timed+out")
    assert page.locator("table.traces tbody tr.failed").count() > 3
    page.keyboard.press("/")
    page.keyboard.type("db.system.name=redis")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=**redis**")
    assert page.locator("table.traces tbody tr").count() == 50
    assert page.complaints == []


def test_tables_are_sorted_without_a_script(browser, served):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(served[0] + "/")
    page.locator("#groups").get_by_role("link", name="Extractions").click()
    counts = [
        int("".join(filter(str.isdigit, text)))
        for text in page.locator("#groups tbody tr td:nth-child(3)").all_inner_texts()
    ]
    assert counts == sorted(counts, reverse=True)
    page.goto(served[0] + "/explore")
    page.locator("#traces thead").get_by_role("link", name="Started").click()
    assert "order=newest" in page.url
    context.close()


def test_figures_change_without_reloading(page, served):
    """Newly counted extractions appear on the page without a reload."""
    url, store = served
    page.goto(f"{url}/?range=1h")
    page.evaluate("window.stillHere = true")
    before = page.locator("#now").inner_text()
    service, feature_set, *_ = GROUPS[0]
    store.write(
        "metrics",
        [metrics(time.time_ns() // MINUTE * MINUTE - MINUTE, service + "-new", feature_set, 7_000, 6_000, 10, 10)],
    )
    page.wait_for_function("old => document.getElementById('now').innerText !== old", arg=before, timeout=20_000)
    assert page.locator("#groups").get_by_text("feature-service-new").count() == 1
    assert page.evaluate("window.stillHere") is True
    assert page.complaints == []


def test_times_are_the_reader_s(page, served):
    page.goto(f"{served[0]}/explore?low=100.000000")
    first = page.locator("table.traces time").first
    shown = page.evaluate(
        "e => new Date(Number(e.dataset.ms)).toLocaleTimeString('en-GB', {timeZone: 'Europe/Berlin'})",
        first.element_handle(),
    )
    assert shown in first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(browser, served, scheme):
    """No violation of axe's, on any page, in either scheme."""
    # Its script is put into the page, which the pages' own policy forbids.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    for path in PAGES:
        page.goto(served[0] + path)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
    page.goto(served[0] + "/explore?low=100.000000")
    page.locator("table.traces tbody tr th a").first.click()
    page.locator(".fall summary").nth(1).click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.goto(f"{served[0]}/trace/{1:032x}")
    for summary in page.locator(".fall summary").all():
        summary.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    silences, now = SilenceFile(served[1].directory), time.time_ns()
    silences.add(KeptSilence("a" * 32, "latency", "feature-service", None, now, now + 10 * MINUTE, "Ada", "why"), now)
    for path in ("/", "/alerts"):
        page.goto(served[0] + path)
        assert "silenced" in page.locator("#alerts").inner_text()
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path} with a silence: {found.generate_report()}"
    silences.lift("a" * 32)
    context.close()


def test_a_phone_s_width_is_enough(browser, served):
    """Neither the page nor a table in it is wider than the screen: every column is in sight."""
    wider = "[...document.querySelectorAll('table')].filter(t => t.scrollWidth > innerWidth - 20).map(t => t.parentElement.ariaLabel)"
    for width in (375, 390):
        context = browser.new_context(viewport={"width": width, "height": 800})
        page = context.new_page()
        for path in PAGES:
            page.goto(served[0] + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.evaluate(wider) == [], path
        context.close()


def test_an_edited_policy_is_replayed(page, served):
    page.goto(f"{served[0]}/policies")
    page.fill(
        "#policy", "tail_sampling:\n  policies:\n    - {name: very_slow, type: latency, latency: {threshold_ms: 250}}\n"
    )
    page.get_by_role("button", name="Replay over what is stored").click()
    assert "would no longer be kept" in page.locator("#result").inner_text()
    assert "very_slow" in page.locator("#result").inner_text()
    page.fill("#policy", "tail_sampling: {policies: [{name: x, type: unheard_of}]}")
    page.get_by_role("button", name="Replay over what is stored").click()
    assert "unheard_of" in page.get_by_role("alert").inner_text()
    assert page.complaints == []


def test_as_many_traces_are_replayed_as_are_asked_for(page, served):
    """The page says which of how many, and from when to when in the reader's zone."""
    page.goto(f"{served[0]}/policies?range=1h")
    page.get_by_label("Newest traces of the window, at most").select_option("500")
    page.get_by_role("button", name="Replay over what is stored").click()
    assert re.match(r"The newest 500 of 1\s?\d{3} stored traces in this window", page.locator("#replayed").inner_text())
    assert page.locator("#replayed time").count() == 2
    assert "UTC" not in page.locator("#replayed").inner_text()
    assert page.complaints == []


def test_an_alert_is_silenced_and_the_silence_lifted_by_keyboard(page, served):
    """The keyboard alone reaches the alert, its filled-in form and the list of silences, and lifts the silence again."""
    url, store = served
    page.goto(f"{url}/alerts")
    page.locator("#alerts summary").first.focus()
    page.keyboard.press("Enter")
    alert = page.locator("#alerts .alerts .alerts li", has_text="latency objective is broken").first
    alert.get_by_role("link", name="Silence").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**slo=latency**")
    assert page.locator("#silence select[name=slo]").input_value() == "latency"
    page.get_by_label("Your name").focus()
    page.keyboard.type("Ada")
    page.keyboard.press("Tab")
    page.keyboard.type("moving <b>the</b> database")
    page.keyboard.press("Enter")
    page.wait_for_url("**#silences")
    row = page.locator(".silences li")
    assert "moving <b>the</b> database" in row.inner_text()
    assert "UTC" not in row.inner_text()
    assert "silenced" in page.locator("#alerts").inner_text()
    page.goto(url)
    page.locator("#alerts .silenced > details > summary").click()
    assert "by Ada: moving <b>the</b> database" in page.locator("#alerts").inner_text()
    assert len(SilenceFile(store.directory).in_force(time.time_ns())) == 1
    page.goto(f"{url}/alerts")
    page.get_by_role("button", name="Lift the silence of Ada").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#silences")
    assert page.locator(".silences").count() == 0
    assert SilenceFile(store.directory).in_force(time.time_ns()) == ()
    assert page.complaints == []


def test_what_would_be_is_answered_without_a_script(browser, served):
    """The form works without a script: the answer has its own address, invalid input is reported, and the filters stay."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served[0]}/resources?range=1h&feature_set=user_profile")
    page.get_by_label("Hit rate, %").fill("70")
    page.get_by_label("Pool size, connections").fill("8")
    page.get_by_role("button", name="Calculate").click()
    query = parse_qs(urlsplit(page.url).query)
    assert {"hit_rate": ["70"], "pool_size": ["8"], "feature_set": ["user_profile"]}.items() <= query.items()
    assert "Hit rate 70 % instead of" in page.locator("#answer-hit_rate").inner_text()
    assert "connections busy on average" in page.locator("#answer-pool_size").inner_text()
    assert re.fullmatch(r"[\d.]+ ms \(.[\d.]+ ms\)", page.locator("#answer-pool_size .then").inner_text())
    page.get_by_label("Pool size, connections").fill("2")
    page.get_by_label("Hit rate, %").fill("many")
    page.keyboard.press("Enter")
    assert "use a number of per cent from 0 to 100" in page.get_by_role("alert").inner_text()
    assert "overloaded" in page.locator("[data-refused=pool_size]").inner_text()
    context.close()


def test_a_reader_signs_in(page, served):
    """A configured token must be entered before any page is shown."""
    store = served[1]
    access = Access(Endpoint("localhost", 0), "a-token-of-some-length")
    server = DashboardServer(Site(PageContext(store.reader, store.directory), access), Endpoint("localhost", 0))
    server.start()
    try:
        page.goto(server.url + "explore")
        assert page.locator("#heat").count() == 0
        page.get_by_label("Token").fill("not-the-token-at-all")
        page.get_by_role("button", name="Sign in").click()
        assert "That is not the token." in page.get_by_role("alert").inner_text()
        page.get_by_label("Token").fill("a-token-of-some-length")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Explore").click()
        assert page.locator("#heat a").count() > 10
    finally:
        server.close()
