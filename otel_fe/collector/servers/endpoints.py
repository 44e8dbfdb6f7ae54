"""Addresses to listen on, and the rule about them: loopback only, unless senders authenticate."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from otel_fe.config.receivers import GrpcServerSettings, HttpServerSettings

_MOST: Final = 65_535


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a server."""

    host: str
    """Host without brackets; empty for all addresses of the machine."""
    port: int
    """0 for a free one."""

    @property
    def loopback(self) -> bool:
        """Return whether only this machine can reach it."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def address(self) -> str:
        """The host as it is bound. `localhost` is the IPv4 one, as it is for nearly every sender."""
        return "127.0.0.1" if self.host.lower() == "localhost" else self.host or "0.0.0.0"  # noqa: S104 only where asked for

    def __str__(self) -> str:
        host = self.host or "0.0.0.0"  # noqa: S104
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def endpoint(text: str, where: str) -> Endpoint:
    """Read `host:port`.

    Args:
        text: As the configuration has it.
        where: The key that holds it, for the message.

    Raises:
        ConfigurationError: The text is no `host:port`.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > _MOST or (":" in bare and bare == host):
        raise ConfigurationError(where, text, "use host:port, for example localhost:4317")
    return Endpoint(bare, int(port))


def host_name(header: str) -> str:
    """Return the name in a `Host` header, in lower case (names are the same in any), without port, brackets and final dot."""
    text = header.strip().lower()
    host, colon, port = text.rpartition(":")
    return (host if colon and port.isdigit() else text).strip("[]").removesuffix(".")


def check_open(where: Endpoint, settings: GrpcServerSettings | HttpServerSettings, key: str) -> None:
    """Refuse to listen beyond loopback without authentication.

    Raises:
        ConfigurationError: The receiver would be open to other machines without authentication.
    """
    verified = settings.auth is not None or (settings.tls is not None and settings.tls.client_ca_file)
    if not where.loopback and not verified:
        raise ConfigurationError(
            key,
            str(where),
            "beyond loopback, set auth (the extension bearertokenauth) or tls::client_ca_file, use localhost, or start with "
            "--allow-unauthenticated",
        )


def free_port(host: str) -> tuple[socket.socket, int]:
    """Return a free port that several processes can share, and the socket that keeps it for them until it is closed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    keeper = socket.socket(family, socket.SOCK_STREAM)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    keeper.bind((host, 0))
    return keeper, int(keeper.getsockname()[1])
