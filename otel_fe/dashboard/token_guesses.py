"""Slows down guesses of the page's token."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_fe.clock import Clock

_BURST: Final = 10
"""Wrong tokens that are free: a person mistypes a few times."""
_REFILL_NS: Final = 6_000_000_000
"""Time until one more may be tried: ten in a minute."""
_SENDERS: Final = 1_000
"""Senders that are counted separately; all others are counted together."""
_OTHERS: Final = ""


class Guesses:
    """Counts wrong tokens by address, and limits the rate of attempts. Thread-safe.

    By address, so that a stranger who guesses does not lock the owner out; an IPv6 network of 64 bits, which is what one
    subscriber has, counts as one address.

    Args:
        clock: Monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._empty_at_ns: OrderedDict[str, int] = OrderedDict()
        """The time at which all wrong tokens of a sender are forgiven, by its address."""

    def attempt(self, sender: str) -> int:
        """Count a token as wrong before it is checked; return 0, or the seconds after which the sender may try again."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            for old, empty_ns in list(self._empty_at_ns.items()):
                if empty_ns > now_ns:
                    break
                del self._empty_at_ns[old]
            key = self._key(sender)
            empty_ns = max(now_ns, self._empty_at_ns.get(key, now_ns)) + _REFILL_NS
            wait_ns = empty_ns - now_ns - _BURST * _REFILL_NS
            if wait_ns > 0:
                return -(-wait_ns // 1_000_000_000)
            self._empty_at_ns[key] = empty_ns
            self._empty_at_ns.move_to_end(key)
        return 0

    def right(self, sender: str) -> None:
        """Take back the count of a token that was right."""
        with self._lock:
            key = self._key(sender)
            if key in self._empty_at_ns:
                self._empty_at_ns[key] -= _REFILL_NS

    def _key(self, sender: str) -> str:
        network = _network(sender)
        if network in self._empty_at_ns or len(self._empty_at_ns) < _SENDERS:
            return network
        return _OTHERS


def _network(sender: str) -> str:
    try:
        address = ipaddress.ip_address(sender.partition("%")[0])
    except ValueError:
        return sender
    if address.version == 4:  # noqa: PLR2004 the version
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.ip_network((address, 64), strict=False))
