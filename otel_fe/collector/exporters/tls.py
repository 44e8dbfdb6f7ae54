"""TLS of the exporters: from `tls` in the configuration to gRPC's credentials and an `ssl` context."""

from __future__ import annotations

import os
import ssl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator

    from otel_fe.config.transport import ClientTls

_VERSIONS: Final = {"1.2": "TLSv1_2", "1.3": "TLSv1_3"}
"""Names of the versions in `ssl.TLSVersion`; `ssl` is imported only when needed (`put_off`)."""


def pem(name: str, file: str, text: str, where: str) -> bytes | None:
    """Return a certificate or key in PEM, from whichever of a file and a text is given; None for neither.

    Args:
        name: The key in the configuration, without its ending: `ca`, `cert` or `key`.
        file: The value of `{name}_file`.
        text: The value of `{name}_pem`.
        where: The component, for the message.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    if not file:
        return text.encode() if text else None
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{where}: tls::{name}_file", file, error.strerror or "it cannot be read") from error


def http_context(tls: ClientTls, where: str) -> ssl.SSLContext:
    """Return the context for an HTTPS client.

    Raises:
        ConfigurationError: A certificate or key cannot be used.
    """
    authority = pem("ca", tls.ca_file, tls.ca_pem, where)
    certificate = pem("cert", tls.cert_file, tls.cert_pem, where)
    key = pem("key", tls.key_file, tls.key_pem, where)
    try:
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
        context.minimum_version = ssl.TLSVersion[_VERSIONS[tls.min_version]]
        if tls.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate and key:
            with private_file(certificate + b"\n" + key) as path:
                # Without a password given, OpenSSL would ask for one on the terminal.
                context.load_cert_chain(path, password=b"")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(f"{where}: tls", "its certificates", f"use valid PEM ({error})") from error
    return context


@contextmanager
def private_file(content: bytes) -> Generator[str]:
    """Put a key where only this user can read it, since `ssl` takes none from memory; it is gone afterwards."""
    import tempfile  # noqa: PLC0415 it loads whatever packs files; few have a key

    descriptor, path = tempfile.mkstemp(prefix="otel-fe-")  # made with the mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield path
    finally:
        Path(path).unlink()
