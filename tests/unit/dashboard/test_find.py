"""Search finds traces by id, by name, by attribute, by text; and never by a secret."""

from __future__ import annotations

import json

import pytest

from otel_fe.dashboard.figure_notes import NOTES
from otel_fe.dashboard.find import Wanted
from otel_fe.dashboard.overview import COLUMNS, overview
from otel_fe.dashboard.sorting import headings, sorted_rows
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.store import Selection
from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.dashboard.seeded import kept

S = 10**9
FAILED, TAGGED = 0xABCDEF01 << 96 | 1, 0xABC00000 << 96 | 2


@pytest.fixture
def site(own):
    """Return a site over four kept traces: one failed, one tagged, one with a token, one of another feature set."""
    made, asked = own
    made.write(
        "trace",
        kept(FAILED, NOW - 4 * S, 20_000_000, error=True),
        kept(TAGGED, NOW - 3 * S, 30_000_000, attributes={"app.tenant": "Acme Ltd", "app.shard": 17}),
        kept(3, NOW - 2 * S, 40_000_000, attributes={"app.api_key": "hunter2hunter2", "note": "plain"}),
        kept(4, NOW - S, 50_000_000, service="ranking", feature_set="session"),
    )
    return asked


def found(site, query, more=""):
    told = json.loads(site.answer(f"/find.json?q={query}{more}").body)
    return {int(one["trace_id"], 16) for one in told["found"]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("app.tenant=Acme+Ltd", {TAGGED}),
        ("app.tenant%3Dacme+ltd", set()),  # a value is meant just so
        ("app.shard=17", {TAGGED}),
        ("app.shard=1", set()),
        ("acme", {TAGGED}),  # a text in whatever case
        ("upstream+timed", {FAILED}),  # the status of a span
        ("TimeoutError", {FAILED}),  # of its exception
        ("service.name=ranking", {4}),  # of the resource
        ("nothing+has+this", set()),
        ("app.nobody=", set()),
        ("hunter2", set()),  # a secret is not searched, or search would tell who has it
        ("app.api_key=hunter2hunter2", set()),
        ("note=plain", {3}),
    ],
)
def test_traces_are_found_by_attribute_and_text(site, query, expected):
    assert found(site, query) == expected


def test_a_search_stays_in_the_window_and_the_group(site):
    assert found(site, "GET", "&feature_set=session") == {4}
    assert found(site, "GET", "&since=1000&until=2000") == set()


def test_a_trace_id_leads_to_its_trace_and_its_first_digits_to_a_list(site):
    answer = site.answer(f"/find?q=+{FAILED:032X}&range=1h")
    assert (answer.status, dict(answer.headers)["Location"]) == (303, f"/trace/{FAILED:032x}?range=1h")
    for digits, ids in (("abcdef01", [FAILED]), ("ABC", []), ("abc0", [TAGGED]), ("abcd", [FAILED]), ("beef", [])):
        told = json.loads(site.answer(f"/find.json?q={digits}").body)
        assert told["ids"] == [f"{one:032x}" for one in ids], digits


def test_feature_sets_are_found_by_a_part_of_their_name(site):
    page = site.text("/find?q=Sess&range=1h")
    links = [one.get("href", "") for one in Elements(page).all("a")]
    assert "/explore?range=1h&service=ranking&feature_set=session" in links


def test_a_search_says_how_much_it_looked_at(own):
    """If there are too many kept traces, the newest are searched, and the page says so."""
    made, asked = own
    made.write("trace", *(kept(n + 1, NOW - (1_201 - n) * S // 2, 20_000_000) for n in range(1_200)))
    page = asked.text("/find?q=nothing+has+this&range=1h")
    assert "Searched the newest 1\u202f000 of 1\u202f200 kept extractions in the last 1h" in page
    result = asked.site._stored.reader.search(Selection(0, NOW), bool, most_read=1_000, most_found=50)
    assert len(result.found) == 50
    assert [one.trace_id for one in result.found] == list(range(1_200, 1_150, -1))


def test_what_is_searched_for_is_escaped(site):
    page = site.text("/find?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_rubbish_in_a_store_is_no_match():
    assert not Wanted.of("x").accepts(b"\xff\xffx")
    assert not Wanted.of("").accepts(b"")


def test_a_table_is_sorted_by_its_address():
    """The largest first, once more the smallest; equal rows keep their order, and what is not known stands last."""
    rows = [{"p95": 2.0}, {"p95": None}, {"p95": 3.0}, {"p95": 1.0}]
    columns = {"p95": lambda row: row["p95"]}
    assert [row["p95"] for row in sorted_rows(rows, columns, "p95")] == [3.0, 2.0, 1.0, None]
    assert [row["p95"] for row in sorted_rows(rows, columns, "p95.up")] == [1.0, 2.0, 3.0, None]
    assert sorted_rows(rows, columns, "unheard_of") == rows
    assert headings(ViewAddress(), "/", columns, "groups")["p95"].url == "/?sort=p95#groups"
    turned = headings(ViewAddress(sort="p95"), "/", columns, "groups")["p95"]
    assert (turned.url, turned.direction) == ("/?sort=p95.up#groups", "descending")


def test_every_column_of_the_overview_sorts_without_a_script(asked, stored):
    for name, value in COLUMNS.items():
        groups = overview(stored, ViewAddress(range="6h", sort=name))["groups"]
        known = [value(one) for one in groups if value(one) is not None]
        assert known == sorted(known, reverse=True), name
    page = asked.text("/?range=6h&sort=p95")
    (sorted_by,) = [one for one in Elements(page).all("th") if one.get("aria-sort")]
    assert sorted_by["aria-sort"] == "descending"
    assert 'href="/?range=6h&amp;sort=p95.up#groups"' in page


def test_every_figure_says_what_it_is_and_where_it_comes_from(asked):
    """Every figure has its definition and source as a tooltip, and in a list that needs no pointer."""
    page = asked.text("/?range=1h")
    titles = {one.get("title", "") for tag in ("span", "a") for one in Elements(page).all(tag)}
    for name in ("health", "p95", "p50", "throughput", "slow", "hits", "errors", "extractions"):
        assert NOTES[name].text in titles, name
    assert page.count("<dd>") >= 8
    explore = asked.text("/explore?range=1h")
    for name in ("started", "duration", "split", "cause", "kept_by", "weight"):
        assert NOTES[name].text in {one.get("title", "") for tag in ("span", "a") for one in Elements(explore).all(tag)}
