"""OTLP over HTTP, as protobuf: requests are sent as bytes, compressed or not, without decoding them."""

from __future__ import annotations

import gzip
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import urllib3

from otel_fe.collector.exporters.deadlines import POOLS, Deadlines
from otel_fe.collector.exporters.outcome import Delivered, Failed, brief
from otel_fe.collector.exporters.partial_success import read_json, read_protobuf
from otel_fe.collector.exporters.proxies import proxy_of
from otel_fe.collector.exporters.retry_after import asked_ns
from otel_fe.collector.exporters.tls import http_context
from otel_fe.collector.exporters.user_agent import USER_AGENT
from otel_fe.wire.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.clock import Clock
    from otel_fe.collector.exporters.bearer import Bearer
    from otel_fe.config.exporters import OtlpHttp

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_MAY_PASS: Final = frozenset({429, 502, 503, 504})
"""The statuses after which OTLP allows another try."""
_THROTTLED: Final = frozenset({429, 503})
_DIVISIBLE: Final = frozenset({400, 413})
"""Bad data, in the words of OTLP's specification; and too much of it."""
_ANSWER_BYTES: Final = 64 * 1024
"""Longest body of an answer that is read: it only holds a message."""
_GZIP_LEVEL: Final = 6


class HttpTransport:
    """Posts to one URL for each signal. It follows no redirect: headers may hold a token for this server only.

    Args:
        settings: The exporter's.
        bearer: What `auth` names; None without it.
        clock: For the dates in `Retry-After`.
        name: The component's id, for messages.
    """

    def __init__(self, settings: OtlpHttp, bearer: Bearer | None, clock: Clock, name: str) -> None:
        self._settings = settings
        self._bearer = bearer
        self._clock = clock
        self._name = name
        base = settings.endpoint.removesuffix("/")
        self._urls: Final[Mapping[str, str]] = {
            signal: url or f"{base}{described.path}"
            for signal, described in SIGNALS.items()
            if (url := getattr(settings, f"{signal}_endpoint")) or base
        }
        self._compresses = settings.compression == "gzip"
        encoding = {"Content-Encoding": "gzip"} if self._compresses else {}
        self._headers = {"Content-Type": _PROTOBUF, "User-Agent": USER_AGENT, **encoding, **settings.headers}
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._timeout_s = settings.timeout_ns / 1e9 or None
        self._deadlines = Deadlines(f"otel-fe-{name}-deadlines")

    def start(self) -> None:
        """Create the pools of connections."""
        settings = self._settings
        context = http_context(settings.tls, self._name)
        if settings.tls.insecure_skip_verify:
            # It is configured; urllib3 would warn of it at each request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        options: dict[str, Any] = {
            # A connection for each thread that sends, of all signals: urllib3 logs a warning for each that it throws away.
            "maxsize": 3 * (settings.sending_queue.num_consumers if settings.sending_queue is not None else 10),
            "ssl_context": context,
            "timeout": urllib3.Timeout(total=self._timeout_s),
            "retries": False,
        }
        proxied = {signal: settings.proxy_url or proxy_of(url, os.environ) for signal, url in self._urls.items()}
        pools = {
            proxy: urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
            for proxy in set(proxied.values())
        }
        for pool in pools.values():
            pool.pool_classes_by_scheme = dict(POOLS)
        self._pools = {signal: pools[proxy] for signal, proxy in proxied.items()}

    def send(self, signal: str, data: bytes) -> Delivered | Failed:
        """Post once."""
        if signal not in self._urls:
            return Failed(f"there is no endpoint for {signal}", may_pass=False)
        headers = self._headers
        if self._bearer is not None:
            token = self._bearer.value()
            if not token:
                return Failed("there is no token to send yet", may_pass=True)
            headers = {**headers, self._bearer.header: token}
        body = gzip.compress(data, _GZIP_LEVEL, mtime=0) if self._compresses else data
        with self._deadlines.exchange(self._timeout_s) as exchange:
            try:
                found: Delivered | Failed = self._exchanged(signal, body, headers)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                found = Failed(f"{type(error).__name__}: {brief(error)}", may_pass=True)
            # A head that was cut off in the middle is taken for a whole one by urllib3.
            if exchange.expired:
                return Failed(f"there was no whole answer within {self._timeout_s:g} s", may_pass=True)
            if exchange.ended:
                return Failed("the exporter was shut down before there was a whole answer", may_pass=True)
        return found

    def _exchanged(self, signal: str, body: bytes, headers: Mapping[str, str]) -> Delivered | Failed:
        response = self._pools[signal].request(
            "POST", self._urls[signal], body=body, headers=headers, preload_content=False, redirect=False
        )
        try:
            return self._read(signal, response, response.read(_ANSWER_BYTES))
        finally:
            response.close()

    def close(self) -> None:
        """Close idle connections, and end requests in progress."""
        self._deadlines.end_all()
        for pool in self._pools.values():
            pool.clear()

    def _read(self, signal: str, response: urllib3.BaseHTTPResponse, body: bytes) -> Delivered | Failed:
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if 200 <= response.status < 300:  # noqa: PLR2004 what HTTP calls successful
            if kind == _PROTOBUF:
                return read_protobuf(signal, body)
            return read_json(signal, body) if kind == _JSON else Delivered()
        message = _message(body) if kind == _PROTOBUF else ""
        why = f"HTTP {response.status}{': ' if message else ''}{brief(message)}"
        if response.status not in _MAY_PASS:
            return Failed(why, may_pass=False, divisible=response.status in _DIVISIBLE)
        header = response.headers.get("Retry-After") if response.status in _THROTTLED else None
        return Failed(why, may_pass=True, after_ns=asked_ns(header, self._clock.time_ns()))


def _message(body: bytes) -> str:
    """Return the text of a `google.rpc.Status`; empty where it is none."""
    status: Any = import_module("google.rpc.status_pb2").Status
    try:
        return str(status.FromString(body).message)
    except Exception:  # protobuf's error class depends on its implementation
        return ""
