"""The page about alerts: silence and lift, by a form of our own alone; a silenced alert is shown as one."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from otel_fe.dashboard.overview import overview
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.store.silence_file import FILE_NAME, MOST
from tests.unit.dashboard.conftest import NOW, Elements
from tests.unit.dashboard.seeded import metrics
from tests.unit.store.parts import MINUTE

RIGHT = {
    "action": "silence",
    "slo": "latency",
    "service": "=feature-service",
    "feature_set": "=user_profile",
    "duration": "4h",
    "author": "Ada",
    "comment": "we are moving the database",
}


@pytest.fixture
def burning(own):
    """Return a site over a store in which two feature sets burn their latency budget."""
    bed, asked = own
    for minute in range(2, 9):
        for feature_set in ("user_profile", ""):
            told = metrics(NOW - minute * MINUTE, "feature-service", feature_set, 400, 300, 0, 10)
            bed.write("metrics", [told])
    return asked


def post(asked, target="/alerts", **form):
    body = {"form_token": asked.site._access.form_token()} | form
    return asked.answer(target, "POST", urlencode(body).encode(), origin="http://localhost:8899")


def alerts(asked):
    found = overview(asked.site._stored, ViewAddress(range="1h"))["alerts"]
    return {(one.slo, one.feature_set): one.silence for one in found}


def test_a_silenced_alert_is_shown_as_silenced_and_lifted_again(burning):
    assert set(alerts(burning).values()) == {None}
    answer = post(burning, "/alerts?range=6h", **RIGHT)
    assert (answer.status, dict(answer.headers)["Location"]) == (303, "/alerts?range=6h#silences")
    found = alerts(burning)
    assert found["latency", "user_profile"].comment == "we are moving the database"
    assert found["latency", ""] is None
    for path in ("/", "/alerts"):
        page = burning.text(path)
        assert "silenced" in page
        assert "by Ada: we are moving the database" in page
    (told,) = json.loads(burning.answer("/alerts.json").body)["silences"]
    assert (told["silence"]["author"], told["fires"] > 0) == ("Ada", True)
    lifted = post(burning, action="lift", id=told["silence"]["id"])
    assert lifted.status == 303
    assert set(alerts(burning).values()) == {None}
    assert "None: every firing alert is sent." in burning.text("/alerts")


def test_silenced_ones_stand_last_and_the_longest_silence_is_told(burning):
    post(burning, **RIGHT)
    post(burning, **RIGHT | {"duration": "7d", "comment": "the longer one"})
    shown = overview(burning.site._stored, ViewAddress(range="1h"))["alerts"]
    assert [one.silence is not None for one in shown] == sorted(one.silence is not None for one in shown)
    assert shown[-1].silence.comment == "the longer one"


def test_one_without_a_name_is_told_from_every_one(burning):
    """`=` alone are those without a feature set; nothing at all is every one."""
    post(burning, **RIGHT | {"feature_set": "="})
    assert {name for (_, name), silence in alerts(burning).items() if silence} == {""}
    post(burning, **RIGHT | {"feature_set": ""})
    assert {name for (_, name), silence in alerts(burning).items() if silence} == {"", "user_profile"}


def test_it_ends_by_itself(burning):
    post(burning, **RIGHT | {"duration": "1m"})
    assert alerts(burning)["latency", "user_profile"] is not None
    burning.site._stored.clock.advance(ns=MINUTE)
    assert alerts(burning)["latency", "user_profile"] is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"slo": "latenzy"}, "'latenzy' cannot be used; use one of cache_hit_rate, error_rate, latency, memory"),
        ({"slo": "", "service": "", "feature_set": ""}, "choose an objective, a service or a feature set"),
        ({"service": "shop"}, "use =shop; or nothing, for every one"),
        ({"duration": "0h"}, "use 1m to 30d, for example 4h"),
        ({"duration": "31d"}, "use 1m to 30d"),
        ({"duration": "99999d"}, "use 1m to 30d"),
        ({"duration": "-1h"}, "use 1m to 30d"),
        ({"duration": "forever"}, "use 1m to 30d"),
        ({"duration": "\u0664h"}, "use 1m to 30d"),
        ({"author": ""}, "use one line of 1 to 80 characters"),
        ({"comment": ""}, "use one line of 1 to 500 characters"),
        ({"comment": "a\nb"}, "use one line"),
        ({"comment": "x" * 501}, "501 characters"),
        ({"action": "destroy"}, "use silence or lift"),
        ({"action": "lift", "id": "nonsense"}, "choose one from the list"),
        ({"action": "lift", "id": "0" * 32}, "choose one from the list"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(burning, change, said):
    """The page shows the error, the valid values and the form as it was filled in."""
    answer = post(burning, **RIGHT | change)
    page = answer.body.decode()
    assert answer.status == 400
    assert said.replace("'", "&#39;") in page
    assert burning.site._stored.silences.in_force(NOW) == ()
    if "action" not in change and "comment" not in change:
        assert 'value="we are moving the database"' in page


def test_only_a_form_of_our_own_may_write(burning):
    """Without the token, or from another site's page, nothing is written; nor by GET."""
    body = urlencode(RIGHT | {"form_token": burning.site._access.form_token()}).encode()
    assert burning.answer("/alerts", "POST", urlencode(RIGHT).encode()).status == 403
    assert burning.answer("/alerts", "POST", urlencode(RIGHT | {"form_token": "guess"}).encode()).status == 403
    assert burning.answer("/alerts", "POST", body, origin="http://evil.example").status == 403
    assert burning.answer("/alerts", "POST", body, host="evil.example").status == 403
    assert burning.answer("/alerts?" + urlencode(RIGHT)).status == 200
    assert burning.site._stored.silences.in_force(NOW) == ()


def test_whoever_has_not_signed_in_may_not(stored):
    from otel_fe.collector.servers.endpoints import Endpoint
    from otel_fe.dashboard.access import Access
    from otel_fe.dashboard.site import Site
    from tests.unit.dashboard.conftest import Asked

    guarded = Asked(Site(stored, Access(Endpoint("0.0.0.0", 80), "a-token-of-some-length")))
    assert post(guarded, **RIGHT).status in (401, 403)
    assert stored.silences.in_force(NOW) == ()


def test_there_are_so_many_at_most(burning):
    for _ in range(MOST):
        assert post(burning, **RIGHT).status == 303
    answer = post(burning, **RIGHT)
    assert answer.status == 400
    assert b"lift one first" in answer.body


def test_hostile_words_stay_text(burning):
    words = "\"><script src=//evil.example/x.js></script><img src=x onerror=alert(1)>'{{7*7}}"
    post(burning, **RIGHT | {"author": words[:80], "comment": words, "service": f"={words}"})
    post(burning, **RIGHT | {"comment": words})
    for page in (burning.text("/alerts"), burning.text("/"), post(burning, **RIGHT | {"slo": words}).body.decode()):
        elements = Elements(page)
        assert "evil.example" in page
        assert all(one.get("src", "").startswith("/static/dashboard.js") for one in elements.all("script"))
        assert not elements.all("img")
        assert "49" not in page or "{{7*7}}" in page.replace("&#34;", '"')


def test_an_alert_leads_to_the_form_filled_in(burning):
    """Exactly that alert, those without a feature set too."""
    links = [
        one["href"] for one in Elements(burning.text("/alerts")).all("a") if one.get("href", "").endswith("#silence")
    ]
    assert any("feature_set=user_profile" in link for link in links)
    assert any("feature_set" not in link for link in links)
    for link in links:
        page = burning.text(link.partition("#")[0])
        chosen = [attrs["value"] for attrs in Elements(page).all("option") if "selected" in attrs]
        assert {"latency", "=feature-service", "=user_profile" if "feature_set" in link else "=", "4h"} <= set(chosen)


def test_silences_that_cannot_be_read_are_said_to_be(burning):
    """With an unreadable silence file the alerts are shown and sent; making a silence is refused with the remedy."""
    (burning.site._stored.directory / FILE_NAME).write_bytes(b"rubbish " * 100)
    assert "latency" in burning.text("/")
    page = burning.text("/alerts")
    assert "Silences cannot be read, so every alert is sent" in page
    answer = post(burning, **RIGHT)
    assert answer.status == 503
    assert b"where it is damaged, remove it" in answer.body
