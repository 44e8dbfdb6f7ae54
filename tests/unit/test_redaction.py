"""No message shows a password in a URL, wherever the URL is wrong."""

from __future__ import annotations

import json
import logging

import pytest
import urllib3

from otel_fe import cli
from otel_fe.collector.exporters.outcome import brief
from otel_fe.config.collector import read_collector_config
from otel_fe.config.problems import InvalidConfigError
from otel_fe.config.settings import read_settings
from otel_fe.errors import ConfigurationError
from otel_fe.redaction import redact_text, redact_value

SECRET = "s3cr3t"
URLS = [
    f"ftp://bob:{SECRET}@host:4318/v1",
    f"https://bob:{SECRET}@host:99999",
    f"https://bob:a/{SECRET}@host",
    f"https://bob:a@{SECRET}@host",
    f"https://bob:a b?{SECRET}#@host",
    f"bob:{SECRET}@host:4317",
    f"http//bob:{SECRET}@host",
    f"http://bob:{SECRET}{'x' * 300}@host:1",
    f"htp://host/v1?api_key={SECRET}&x=1",
]
PLACES = [
    "exporters: {{otlp_grpc: {{endpoint: {url}}}}}",
    "exporters: {{otlp_http: {{endpoint: {url}}}}}",
    "exporters: {{otlp_http: {{traces_endpoint: {url}, endpoint: 1}}}}",
    "exporters: {{otlp_http: {{proxy_url: {url}, endpoint: 'http://x'}}}}",
    "exporters: {{otlp_http: {{endpoint: 'http://x', timeout: {url}}}}}",
    "exporters: {{debug: {{verbosity: {url}}}}}",
    "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: {url}, max_recv_msg_size_mib: {url}}}}}}}}}",
    "extensions: {{health_check: {{endpoint: {url}, path: 1}}}}",
    "processors: {{batch: {{timeout: {url}}}}}",
    "service: {{telemetry: {{logs: {{level: {url}}}}}}}",
    "exporters: {{otlp_http: [{url}]}}",
    "exporters: {url}",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("place", PLACES)
def test_no_problem_of_a_configuration_shows_it(place, url):
    """No key that may hold a URL, rightly or wrongly, shows the password in a problem."""
    with pytest.raises(InvalidConfigError) as caught:
        read_collector_config(place.format(url=json.dumps(url)), "x.yaml", {})
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.problems)
    assert SECRET not in str(caught.value.value)


@pytest.mark.parametrize("url", URLS)
def test_the_check_does_not_print_it(tmp_path, capsys, url):
    """`otel-fe check` prints the host but no password, as text and as JSON."""
    file = tmp_path / "x.yaml"
    file.write_text(f"exporters: {{otlp_http: {{endpoint: {json.dumps(url)}}}}}")
    for arguments in ([], ["--json"]):
        assert cli.main(["check", str(file), *arguments]) == 1
        out = "".join(capsys.readouterr())
        assert SECRET not in out
        assert "host" in out or "add a service section" in out


@pytest.mark.parametrize("url", URLS)
def test_no_option_or_variable_shows_it(tmp_path, capsys, url):
    """Neither options, variables nor the library's errors show the password."""
    error = ConfigurationError("OTEL_X", url, "use something else")
    assert SECRET not in f"{error} {error.value} {error!r}"
    assert cli.main(["dashboard", "--store", str(tmp_path), "--trace-url", url]) == 1
    assert cli.main(["dashboard", "--store", str(tmp_path), "--listen", url]) == 1
    for name in (
        "OTEL_FE_PIPELINE",
        "OTEL_FE_MAX_SERIES",
        "OTEL_FE_BASELINE_RATIO",
        "OTEL_FE_LIBRARIES",
        "OTEL_FE_NONE",
    ):
        with pytest.raises(ConfigurationError) as caught:
            read_settings({name: url})
        assert SECRET not in str(caught.value)
    assert SECRET not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ConnectError for https://bob:s3cr3t@host:1/v1", "ConnectError for https://***@host:1/v1"),
        (
            "Max retries exceeded with url: /v1?token=s3cr3t (Caused",
            "Max retries exceeded with url: /v1?token=*** (Caused",
        ),
        ("mail bob@example.com at 10:30", "mail bob@example.com at 10:30"),
        ("http://host/v1: 503", "http://host/v1: 503"),
    ],
)
def test_sentences_of_other_libraries(text, expected):
    assert redact_text(text) == brief(text) == expected


def test_what_holds_no_credentials_stays_as_it_is():
    for value in ("https://host:4318/v1/traces", "localhost:4317", "a@b", 'attributes["a"] == "b@c"', "", "x?y=z"):
        assert redact_value(value) == value


def test_a_proxy_s_password_is_in_no_failed_try():
    """A failed try through a proxy, as urllib3 reports it, shows no password."""
    proxy = urllib3.ProxyManager("http://bob:s3cr3t@127.0.0.1:1", retries=False)
    with pytest.raises(urllib3.exceptions.HTTPError) as caught:
        proxy.request("GET", "https://host/v1?key=s3cr3t")
    assert SECRET not in brief(caught.value)
    logging.getLogger("urllib3").debug("its own log is at debug level")
