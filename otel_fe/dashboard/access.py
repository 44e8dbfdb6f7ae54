"""Access to the pages: free on this machine, by token from elsewhere, and never under a foreign host name.

A web page elsewhere whose name was pointed to this machine sends its own name as `Host`: on loopback only names of loopback are
answered, off loopback only addresses and names that were given. The session's cookie is not the token, and dies with the process.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from otel_fe.clock import SystemClock
from otel_fe.collector.servers.endpoints import Endpoint, host_name
from otel_fe.dashboard.settings import OWN, OptionNames
from otel_fe.dashboard.token_guesses import Guesses
from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

COOKIE: Final = "otel_fe_session"
_FEWEST: Final = 16


class Admission(NamedTuple):
    """The verdict on a request."""

    admitted: bool
    wait_s: int = 0
    """After so many wrong tokens, the seconds until another is looked at."""


ADMITTED: Final = Admission(admitted=True)
REFUSED: Final = Admission(admitted=False)


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server."""

    listen: Endpoint
    token: str = ""
    names: frozenset[str] = frozenset()
    """Host names that it answers to, off loopback."""
    options: OptionNames = OWN
    """The names of its options, for messages."""
    guesses: Guesses = field(default_factory=lambda: Guesses(SystemClock()), compare=False, repr=False)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def __post_init__(self) -> None:
        if not self.listen.loopback and not self.token:
            raise ConfigurationError(
                self.options.listen,
                str(self.listen),
                f"beyond loopback, set a token ({self.options.token_file}, or OTEL_FE_DASHBOARD_TOKEN), or use localhost",
            )
        if self.token and len(self.token) < _FEWEST:
            raise ConfigurationError(self.options.token, f"{len(self.token)} characters", f"use at least {_FEWEST}")

    def known_host(self, header: str) -> bool:
        """Return whether a request's `Host` is one of this server's."""
        name = host_name(header)
        if self.listen.loopback:
            return Endpoint(name, 0).loopback
        if name in self.names or name == self.listen.host:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return Endpoint(name, 0).loopback
        return True

    def admission(self, headers: Mapping[str, str], sender: str = "") -> Admission:
        """Check a request's token, where one is required.

        Args:
            headers: By lower-case name.
            sender: Address that it came from.
        """
        if not self.token:
            return ADMITTED
        scheme, _, given = headers.get("authorization", "").partition(" ")
        found = self.try_token(given, sender) if scheme.lower() == "bearer" else REFUSED
        return ADMITTED if not found.admitted and self._has_session(headers) else found

    def try_token(self, given: str, sender: str) -> Admission:
        """Compare a token; takes as long for one wrong one as for another. After some wrong ones, a sender has to wait."""
        wait_s = self.guesses.attempt(sender)
        if wait_s:
            return Admission(admitted=False, wait_s=wait_s)
        right = hmac.compare_digest(
            hashlib.sha256(given.strip().encode("utf-8", "replace")).digest(),
            hashlib.sha256(self.token.encode()).digest(),
        )
        if right:
            self.guesses.right(sender)
        return ADMITTED if right and self.token else REFUSED

    def _has_session(self, headers: Mapping[str, str]) -> bool:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return morsel is not None and hmac.compare_digest(morsel.value.encode(), self.session().encode())

    def session(self) -> str:
        """Return the value of the cookie after a login with the token."""
        return self._sign("session")

    def form_token(self) -> str:
        """Return what a form on one of our pages sends along, and a page elsewhere cannot know."""
        return self._sign("form")

    def is_form_token(self, given: str) -> bool:
        """Return whether a form came from one of our pages."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.form_token().encode())

    def same_origin(self, headers: Mapping[str, str]) -> bool:
        """Return whether a form was sent by a page of this very server."""
        origin = headers.get("origin", "")
        return not origin or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()

    def _sign(self, what: str) -> str:
        return hmac.new(self._secret, f"{what}\0{self.token}".encode(), hashlib.sha256).hexdigest()
