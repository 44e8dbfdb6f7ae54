"""Alerts to any URL, as JSON that the receiver can know to be ours.

The header `X-Otel-Fe-Signature: t=1700000000,v1=<hex>` holds a Unix time and the HMAC-SHA256 of `<time>.<body>` under the shared
secret, so that neither the body nor an old delivery can be passed off as a new one. `verify` checks it.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any, Final

from otel_fe.alerting.delivery.http import Poster
from otel_fe.alerting.message import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.alerting.alert import Alert

SIGNATURE: Final = "X-Otel-Fe-Signature"
_TOLERANCE_S: Final = 300.0


class Webhook:
    """A receiver that posts incidents, firing and resolved, each once; tried again where that may help.

    The body has the fields of the alert that speaks for the incident, `incident`, the titles of its other alerts in `related`, and
    all of it as a message in `text`.

    Args:
        url: Where to. Only its host is ever shown.
        secret: Shared with the receiver; unsigned without one. Never shown.
        now: Returns the Unix time, for signatures.
        more: `tries`, `timeout_s`, `first_wait_s` of `Poster`.

    Raises:
        ConfigurationError: The address is no URL to post to.
    """

    takes_incidents: Final = True

    def __init__(self, url: str, secret: str = "", *, now: Callable[[], float] = time.time, **more: Any) -> None:
        self._poster = Poster(url, **more)
        self._secret = secret.encode()
        self._now = now

    def __call__(self, alert: Alert) -> None:
        """Post one alert.

        Raises:
            DeliveryError: The alert could not be delivered.
        """
        self._poster.post({**alert.document(), "text": text_of(alert)}, self._signed)

    def __repr__(self) -> str:
        return f"Webhook({self._poster.host}/…, {'signed' if self._secret else 'unsigned'})"

    def _signed(self, body: bytes) -> dict[str, str]:
        return {SIGNATURE: _signature(self._secret, body, int(self._now()))} if self._secret else {}


def verify(secret: str, header: str, body: bytes, now: float | None = None, tolerance_s: float = _TOLERANCE_S) -> bool:
    """Return whether a delivery was signed with the shared secret, unchanged and recent.

    Args:
        secret: The shared one.
        header: `X-Otel-Fe-Signature`.
        body: As received.
        now: Unix time; this machine's by default.
        tolerance_s: How old it may be, or how far ahead.
    """
    parts = {part.partition("=")[0]: part.partition("=")[2] for part in header.split(",")}
    stamp = parts.get("t", "")
    if not stamp.isdecimal() or abs((time.time() if now is None else now) - int(stamp)) > tolerance_s:
        return False
    return hmac.compare_digest(_signature(secret.encode(), body, int(stamp)).encode(), header.encode())


def _signature(secret: bytes, body: bytes, stamp: int) -> str:
    found = hmac.new(secret, b"%d." % stamp + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={found}"
