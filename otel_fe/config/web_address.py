"""Addresses that a person opens in a browser, as settings give them."""

from __future__ import annotations

from urllib.parse import urlsplit

from otel_fe.errors import ConfigurationError


def web_address(name: str, value: str) -> str:
    """Return an address without a slash at its end; an empty one stays empty. It may hold `{placeholders}`.

    Args:
        name: Of the setting, for messages.
        value: For example `https://otel-fe.example.com`.

    Raises:
        ConfigurationError: The address is none that a browser opens, or it holds a user or a password.
    """
    found = value.strip().rstrip("/")
    try:
        parts = urlsplit(found.replace("{", "").replace("}", ""))
        usable = not found or (parts.scheme in ("http", "https") and bool(parts.hostname))
    except ValueError:
        raise ConfigurationError(name, value, "use an address with http:// or https://") from None
    if parts.username or parts.password:
        raise ConfigurationError(name, f"{parts.scheme}://…@{parts.hostname}", "leave out user and password")
    if not usable:
        raise ConfigurationError(name, value, "use an address with http:// or https://")
    return found
