"""Posting JSON, with a bounded number of tries. What is logged of a URL is its host: paths and queries may hold secrets."""

from __future__ import annotations

import json
import logging
import random
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from otel_fe.errors import ConfigurationError, OtelFeError
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RETRIED: Final = (408, 425, 429, 500, 502, 503, 504)
_OK: Final = range(200, 300)
_LONGEST_WAIT_S: Final = 30.0
_TIMEOUT_S: Final = 5.0


class DeliveryError(OtelFeError):
    """An alert could not be delivered; the message names the host and what it answered, and nothing of what was sent."""


class Poster:
    """Posts to one URL. Safe to share between threads.

    Args:
        url: `http` or `https`.
        tries: How often to try, in all.
        timeout_s: Of each try.
        first_wait_s: Before the second try, less up to a half of it by chance; doubled before each further one.
        sleep: Waits; for tests.

    Raises:
        ConfigurationError: The address is no URL to post to.
    """

    def __init__(
        self,
        url: str,
        *,
        tries: int = 5,
        timeout_s: float = _TIMEOUT_S,
        first_wait_s: float = 0.5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError("url", f"{parts.scheme}://…", "use http://host or https://host")
        if tries < 1:
            raise ConfigurationError("tries", tries, "use at least 1")
        self._url = url
        self.host = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        """All that may be shown."""
        self._tries = tries
        self._first_wait_s = first_wait_s
        self._sleep = sleep
        import urllib3  # noqa: PLC0415 most processes post nothing

        _hide(url)
        self._failure = urllib3.exceptions.HTTPError
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(total=timeout_s), retries=False)

    def post(self, document: object, sign: Callable[[bytes], Mapping[str, str]] = lambda _: {}) -> None:
        """Post a document as JSON.

        Args:
            document: What to send.
            sign: Returns headers for the body; called at each try, as a signature has a time.

        Raises:
            DeliveryError: All tries have failed, or the host has refused it for good.
        """
        body = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        problem = ""
        for number in range(self._tries):
            headers = {"Content-Type": "application/json", "User-Agent": f"otel_fe/{__version__}", **sign(body)}
            asked_s = 0.0
            try:
                answer = self._pool.request("POST", self._url, body=body, headers=headers, redirect=False)
            except self._failure as error:
                problem = type(error).__name__  # its text holds the path
            else:
                if answer.status in _OK:
                    return
                problem = f"status {answer.status}"
                if answer.status not in _RETRIED:
                    break
                asked_s = _retry_after_s(answer.headers)
            if number + 1 < self._tries:
                backoff_s = self._first_wait_s * 2**number * random.uniform(0.5, 1.0)
                self._sleep(min(_LONGEST_WAIT_S, max(backoff_s, asked_s)))
        raise DeliveryError(f"{self.host}: {problem}")

    def __repr__(self) -> str:
        return f"Poster({self.host}/…)"


class _Hidden(logging.Filter):
    """Drops urllib3's own records of requests to our URLs: at DEBUG it writes paths and queries out."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is written."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        return not any(isinstance(one, str) and one in self.urls for one in arguments)


_hidden: Final = _Hidden()


def _hide(url: str) -> None:
    parts = urlsplit(url)
    shown = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if shown == "/":
        return  # nothing in it to hide, and many another request has the same
    _hidden.urls.add(shown)
    logging.getLogger("urllib3.connectionpool").addFilter(_hidden)  # once, however often


def _retry_after_s(headers: Mapping[str, Any]) -> float:
    """Return the host's `Retry-After`, where it is in seconds."""
    value = str(headers.get("Retry-After", ""))
    return float(value) if value.isdecimal() else 0.0
