"""Finds the proxy that the environment names for a backend, by the rules of Go's `httpproxy`, as the Collector does.

`HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in either case. `NO_PROXY` holds, separated by commas, hosts (with all below them;
with a dot before them, only those), addresses, networks (`10.0.0.0/8`), each with a port or for all, or `*` for everything.
Loopback is never proxied.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS: Final = {"http": 80, "https": 443}


def proxy_of(url: str, environ: Mapping[str, str]) -> str:
    """Return the URL of the proxy for a URL; empty for none.

    Args:
        url: With `http` or `https`.
        environ: The environment.
    """
    parts = urlsplit(url)
    proxy = _variable(f"{parts.scheme}_proxy", environ)
    host = (parts.hostname or "").removesuffix(".")
    port = parts.port or _PORTS.get(parts.scheme, 0)
    if not proxy or not host or _is_loopback(host) or _excluded(host, port, _variable("no_proxy", environ)):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(name: str, environ: Mapping[str, str]) -> str:
    return environ.get(name.upper()) or environ.get(name) or ""


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _excluded(host: str, port: int, no_proxy: str) -> bool:
    return any(_matches(entry.strip().lower(), host, port) for entry in no_proxy.split(",") if entry.strip())


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, wanted = _split_port(entry)
    if wanted and wanted != port:
        return False
    excluded = _address(name)
    if address is not None or excluded is not None:
        return address == excluded
    name = name.removeprefix("*")
    below = name if name.startswith(".") else f".{name}"
    return host.endswith(below) or (not name.startswith(".") and host == name)


def _split_port(entry: str) -> tuple[str, int]:
    """Return a host or an address and its port; 0 for none."""
    host, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return entry.strip("[]"), 0


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if found.version == 6 else None  # noqa: PLR2004 the version
    return mapped or found
