"""Access to the pages: from this machine, or with the token; never under another host name."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.dashboard.access import COOKIE, Access
from otel_fe.dashboard.site import Question, Site
from otel_fe.dashboard.token_guesses import Guesses
from otel_fe.errors import ConfigurationError
from otel_fe.testing import FakeClock
from tests.unit.dashboard.conftest import Asked

TOKEN = "a-token-of-some-length"


@pytest.fixture
def guarded(stored):
    return Asked(Site(stored, Access(Endpoint("0.0.0.0", 80), TOKEN, frozenset({"fe.internal"}))), "fe.internal")


@pytest.mark.parametrize("host", ["localhost", "localhost:8899", "127.0.0.1:8899", "[::1]:8899", "LOCALHOST"])
def test_names_of_loopback_are_answered(asked, host):
    assert asked.answer("/", host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8899", "localhost.evil.example", "", "192.168.0.7", "127.0.0.1.evil.example"]
)
def test_other_names_are_not(asked, host):
    """A foreign name that resolves to this machine (DNS rebinding)."""
    for path in ("/", "/explore.json", "/static/dashboard.js"):
        assert asked.answer(path, host=host).status == 403


def test_beyond_loopback_a_token_is_needed():
    with pytest.raises(ConfigurationError, match="set a token"):
        Access(Endpoint("0.0.0.0", 80))
    with pytest.raises(ConfigurationError, match="at least 16"):
        Access(Endpoint("0.0.0.0", 80), "short")


@pytest.mark.parametrize("path", ["/", "/explore.json", "/export.csv", f"/trace/{1:032x}", "/nope"])
def test_nothing_is_shown_without_the_token(guarded, path):
    found = guarded.answer(path)
    assert found.status == 401
    assert b"user_profile" not in found.body
    assert guarded.answer(path, authorization="Bearer wrong").status == 401
    assert guarded.answer(path, cookie=f"{COOKIE}=wrong").status == 401
    assert guarded.answer(path, authorization=f"Bearer {TOKEN}").status in (200, 404)


def test_signing_in_gives_a_cookie_that_is_not_the_token(guarded):
    wrong = guarded.answer("/login", "POST", urlencode({"token": "wrong"}).encode())
    assert wrong.status == 401
    found = guarded.answer("/login", "POST", urlencode({"token": TOKEN}).encode())
    assert found.status == 303
    cookie = dict(found.headers)["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert guarded.answer("/", cookie=cookie.split(";")[0]).status == 200


def test_guesses_of_the_token_are_braked(stored):
    """Ten at once, then one in six seconds, by address; a session goes on, and others are not locked out."""
    clock = FakeClock()
    access = Access(Endpoint("0.0.0.0", 80), TOKEN, guesses=Guesses(clock))
    site = Site(stored, access)

    def ask(token, sender="192.0.2.1", cookie=""):
        headers = {"host": "10.0.0.1", "authorization": f"Bearer {token}", "cookie": cookie}
        return site.answer(Question("GET", "/slo.json", headers, sender=sender))

    assert [ask(f"wrong {number}").status for number in range(11)] == [401] * 10 + [429]
    assert ask(TOKEN).status == 429  # or a guess could be right
    assert dict(ask("wrong").headers)["Retry-After"] == "6"
    assert ask("", cookie=f"{COOKIE}={access.session()}").status == 200
    assert ask(TOKEN, sender="192.0.2.2").status == 200
    form = urlencode({"token": TOKEN}).encode()
    assert site.answer(Question("POST", "/login", {"host": "10.0.0.1"}, form, "192.0.2.1")).status == 429
    clock.advance(6)
    assert ask(TOKEN).status == 200
    assert [ask(TOKEN).status for _ in range(50)] == [200] * 50
    assert [ask("wrong").status for _ in range(2)] == [401, 429]
    clock.advance(3_600)
    assert [ask("wrong").status for _ in range(11)] == [401] * 10 + [429]


def test_guesses_from_one_network_are_one_sender_s():
    """An IPv6 subscriber has 2 to the power of 64 addresses; and the table of senders is bounded."""
    guesses = Guesses(FakeClock())
    for number in range(10):
        assert guesses.attempt(f"2001:db8::{number}") == 0
    assert guesses.attempt("2001:db8::ffff") > 0
    assert guesses.attempt("2001:db8:0:1::") == 0
    assert guesses.attempt("::ffff:192.0.2.1") == 0
    for number in range(2_000):
        guesses.attempt(f"198.51.{number // 256}.{number % 256}")
    assert len(guesses._empty_at_ns) <= 1_001
    assert guesses.attempt("203.0.113.1") > 0


def test_names_beyond_loopback_are_those_given(guarded):
    for host, status in (("fe.internal", 200), ("10.1.2.3:80", 200), ("evil.example", 403)):
        assert guarded.answer("/", host=host, authorization=f"Bearer {TOKEN}").status == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_only_reads(asked, method):
    assert asked.answer("/", method).status == 405
    assert asked.answer("/slo", "POST").status == 403


def test_a_form_of_another_site_is_refused(asked):
    form = {"form_token": asked.site._access.form_token(), "policy": "tail_sampling: {policies: []}"}
    body = urlencode(form).encode()
    assert asked.answer("/policies", "POST", body).status == 200
    assert asked.answer("/policies", "POST", body, origin="http://localhost:8899").status == 200
    assert asked.answer("/policies", "POST", body, origin="http://evil.example").status == 403
    assert asked.answer("/policies", "POST", body, origin="null").status == 403
    assert asked.answer("/policies", "POST", urlencode(form | {"form_token": "guess"}).encode()).status == 403
