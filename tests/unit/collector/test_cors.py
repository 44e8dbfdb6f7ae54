"""CORS as the Collector has it (`github.com/rs/cors`, with credentials), and as browsers check it."""

from __future__ import annotations

import pytest

from otel_fe.collector.servers.cors import allowance, preflight
from otel_fe.collector.servers.http_messages import HttpRequest
from otel_fe.config.receivers import Cors


def asked(origin, cors, **headers):
    told = {"origin": origin} | {name.replace("_", "-"): value for name, value in headers.items()}
    return dict(allowance(cors, HttpRequest("POST", "/v1/traces", told)))


@pytest.mark.parametrize(
    ("pattern", "origin", "allowed"),
    [
        ("https://app.example", "https://app.example", True),
        ("https://App.Example", "https://app.example", True),
        ("https://app.example", "HTTPS://APP.example", True),
        ("https://app.example", "https://app.example.evil", False),
        ("https://app.example", "http://app.example", False),
        ("https://*.example", "https://a.b.example", True),
        ("https://*.EXAMPLE", "https://a.example", True),
        ("https://*.example", "https://.evil", False),
        ("https://a*a", "https://a", False),
        ("http://[::1]:3000", "http://[::1]:3000", True),
        ("http://[::1]:3000", "http://:", False),
        ("https://a?p", "https://app", False),
    ],
)
def test_origins(pattern, origin, allowed):
    """Origins match regardless of case; a single `*` is the only wildcard."""
    found = asked(origin, Cors((pattern,)))
    assert ("access-control-allow-origin" in found) == allowed
    if allowed:  # a browser compares it with its own, byte for byte, and requires the header that allows credentials
        assert found["access-control-allow-origin"] == origin
        assert found["access-control-allow-credentials"] == "true"
    assert found["vary"] == "Origin"  # a cache must not give one origin's answer to another


def test_every_origin_has_no_credentials():
    """Credentials are not allowed for every origin: any page could send with the cookies of its reader."""
    found = asked("https://a", Cors(("*",), exposed_headers=("x-a",)))
    assert found["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in found
    assert found["access-control-expose-headers"] == "x-a"


def test_a_preflight_of_a_page_with_credentials():
    cors = Cors(("https://a",), allowed_headers=("Authorization",), max_age_s=5)
    headers = {
        "origin": "https://a",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, x-requested-with",
    }
    found = preflight(cors, HttpRequest("OPTIONS", "/v1/traces", headers))
    assert found.status == 204
    told = dict(found.headers)
    assert told["access-control-allow-credentials"] == "true"
    assert told["access-control-allow-methods"] == "POST"
    assert told["access-control-allow-headers"] == "authorization, content-type, x-requested-with"
    headers["access-control-request-headers"] = "x-other"
    assert "access-control-allow-methods" not in dict(preflight(cors, HttpRequest("OPTIONS", "/", headers)).headers)
