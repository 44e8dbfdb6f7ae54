"""TLS, authentication and headers, which every receiver and exporter of the Collector has alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from otel_fe.config import document, kinds
from otel_fe.config.identifiers import ComponentId, extension
from otel_fe.config.reading import Fields, Key, Place, Refused, Section, Unsupported, attempt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.config.reading import Check


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS of a receiver: its certificate, and the client certificates that it accepts."""

    cert_file: str = ""
    cert_pem: str = field(default="", repr=False)
    """Instead of the file; the same for each `_pem`."""
    key_file: str = ""
    key_pem: str = field(default="", repr=False)
    client_ca_file: str = ""
    """The authority of clients' certificates; empty to require none."""
    min_version: str = "1.2"


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Whom an exporter trusts, and how it proves who it is."""

    insecure: bool = False
    """No TLS at all."""
    insecure_skip_verify: bool = False
    """TLS of a client."""
    server_name_override: str = ""
    ca_file: str = ""
    """Empty for the system's."""
    ca_pem: str = field(default="", repr=False)
    cert_file: str = ""
    cert_pem: str = field(default="", repr=False)
    key_file: str = ""
    key_pem: str = field(default="", repr=False)
    min_version: str = "1.2"


def _check_pairs(fields: Fields) -> None:
    """Refuse a file and its text at once, and a certificate without its key."""
    places = fields.places
    for name in ("ca", "cert", "key"):
        if f"{name}_file" in places and f"{name}_pem" in places:
            places[f"{name}_pem"].problem(f"give either {name}_file or {name}_pem", value=False)
    certificate = "cert_file" in places or "cert_pem" in places
    key = "key_file" in places or "key_pem" in places
    if certificate != key:
        fields.section.problem("give a certificate and its key, or neither", value=False)


def _check_server(fields: Fields) -> None:
    _check_pairs(fields)
    if not {"cert_file", "cert_pem", "key_file", "key_pem"} & fields.places.keys():
        fields.section.problem("give cert_file and key_file", value=False)


_UNSUPPORTED: Final = dict.fromkeys(
    (
        "cipher_suites",
        "curve_preferences",
        "include_insecure_cipher_suites",
        "include_system_ca_certs_pool",
        "max_version",
        "reload_interval",
        "tpm",
    ),
    Unsupported(),
)
_IDENTITY: Final[dict[str, Key | Unsupported]] = {
    "cert_file": Key(kinds.text),
    "cert_pem": Key(kinds.secret),
    "key_file": Key(kinds.text),
    "key_pem": Key(kinds.secret),
    **_UNSUPPORTED,
}
_AUTHORITY: Final = {"ca_file": Key(kinds.text), "ca_pem": Key(kinds.secret)}


def _version(*versions: str) -> dict[str, Key]:
    older = tuple(version for version in ("1.0", "1.1", "1.2", "1.3") if version not in versions)
    return {"min_version": Key(kinds.choice(*versions, unsupported=older))}


def _server(*versions: str) -> Section[ServerTls]:
    keys: dict[str, Key | Unsupported] = {
        **_IDENTITY,
        **_version(*versions),
        "ca_file": Unsupported("use client_ca_file"),
        "ca_pem": Unsupported("use client_ca_file"),
        "client_ca_file": Key(kinds.text),
        "client_ca_file_reload": Unsupported(),
    }
    return Section(ServerTls, keys, _check_server)


def _client(keys: dict[str, Key | Unsupported], check: Check = _check_pairs) -> Section[ClientTls]:
    return Section(ClientTls, {**_IDENTITY, **_AUTHORITY, "insecure": Key(kinds.boolean), **keys}, check)


# gRPC for Python accepts 1.2 and later; that cannot be configured.
GRPC_SERVER_TLS: Final = _server("1.2")
"""`tls` of a gRPC server."""
HTTP_SERVER_TLS: Final = _server("1.2", "1.3")
"""`tls` of an HTTP server."""
GRPC_CLIENT_TLS: Final = _client(
    {
        **_version("1.2"),
        "insecure_skip_verify": Unsupported("gRPC for Python always verifies; use ca_file"),
        "server_name_override": Key(kinds.text),
    }
)
"""`tls` of a gRPC client."""
HTTP_CLIENT_TLS: Final = _client(
    {
        **_version("1.2", "1.3"),
        "insecure_skip_verify": Key(kinds.boolean),
        "server_name_override": Unsupported(),
    }
)
"""`tls` of an HTTP client."""


def _authenticator(authenticator: ComponentId) -> ComponentId:
    return authenticator


AUTH: Final[Section[ComponentId]] = Section(
    _authenticator,
    {
        "authenticator": Key(extension("bearertokenauth"), required="name the extension that authenticates"),
        "request_params": Unsupported(),
    },
)
"""`auth`: the id of an extension."""


def headers(place: Place) -> Mapping[str, str]:
    """Read headers: a mapping, or a list of `name` and `value`; no message shows a value."""
    if isinstance(place.node, document.Sequence):
        pairs = kinds.list_of(
            Section(_pair, {"name": Key(kinds.text, required="give a name"), "value": Key(kinds.secret)})
        )
        return dict(pairs(place))
    refused = len(place.report.problems)
    read = {name: attempt(kinds.secret, inner, "") for name, inner in place.entries().items()}
    if len(place.report.problems) > refused:
        raise Refused
    return read


def _pair(name: str, value: str = "") -> tuple[str, str]:
    return name, value
