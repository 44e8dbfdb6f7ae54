"""TLS of the receivers: from `tls` in the configuration to gRPC's credentials and an `ssl` context."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector.exporters.tls import pem, private_file
from otel_fe.errors import ConfigurationError

if TYPE_CHECKING:
    from otel_fe.config.transport import ServerTls

_VERSIONS: Final = {"1.2": "TLSv1_2", "1.3": "TLSv1_3"}
"""Names of the versions in `ssl.TLSVersion`; `ssl` is imported only when needed (`put_off`)."""


def grpc_credentials(tls: ServerTls, where: str) -> Any:
    """Return the credentials of a gRPC server.

    Raises:
        ConfigurationError: A certificate or key cannot be read.
    """
    import grpc  # noqa: PLC0415 an extra

    certificate, key, authority = _read(tls, where)
    ssl_context(tls, where, ("h2",))  # gRPC would not say what is wrong with them
    return grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=authority, require_client_auth=authority is not None
    )


def ssl_context(tls: ServerTls, where: str, protocols: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
    """Return the context of an HTTPS server.

    Raises:
        ConfigurationError: A certificate or key cannot be used.
    """
    certificate, key, authority = _read(tls, where)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.minimum_version = ssl.TLSVersion[_VERSIONS[tls.min_version]]
        context.set_alpn_protocols(list(protocols))
        with private_file(certificate + b"\n" + key) as path:
            # Without a password given, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(path, password=b"")
        if authority is not None:
            context.load_verify_locations(cadata=authority.decode())
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(f"{where}: tls", "its certificates", f"use valid PEM ({error})") from error
    return context


def _read(tls: ServerTls, where: str) -> tuple[bytes, bytes, bytes | None]:
    certificate = pem("cert", tls.cert_file, tls.cert_pem, where) or b""
    key = pem("key", tls.key_file, tls.key_pem, where) or b""
    return certificate, key, pem("client_ca", tls.client_ca_file, "", where)
