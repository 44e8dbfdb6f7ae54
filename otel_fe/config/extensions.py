"""Extensions of the Collector v0.160 that otel_fe has, with their keys and defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from otel_fe.config import kinds
from otel_fe.config.reading import Fields, Key, Place, Section, Unsupported
from otel_fe.units import NS_PER_S

_PERMISSIONS: Final = re.compile(r"0*[0-7]{1,3}")


@dataclass(frozen=True, slots=True)
class FileStorage:
    """Keeps what components give it in a directory, so that it outlives a restart."""

    directory: str = "/var/lib/otelcol/file_storage"
    timeout_ns: int = NS_PER_S
    """For the lock on a file."""
    fsync: bool = False
    """Wait for the disk at each write."""
    create_directory: bool = False
    directory_permissions: int = 0o700
    """Of the directory that it creates."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Answers over HTTP whether the collector runs."""

    endpoint: str = "localhost:13133"
    path: str = "/"
    healthy_body: str = ""
    """The response body; empty for a JSON document with the time since it became healthy."""
    unhealthy_body: str = ""


@dataclass(frozen=True, slots=True)
class BearerTokenAuth:
    """A token that exporters send, or that receivers require."""

    header: str = "Authorization"
    scheme: str = "Bearer"
    """Put before the token, with a blank; may be empty."""
    tokens: tuple[str, ...] = field(default=(), repr=False)
    """A receiver takes any of them, an exporter sends the first."""
    filename: str = ""
    """A file with the tokens, one a line, read again when it changes; it counts before `tokens`."""


def _permissions(place: Place) -> int:
    text = kinds.string(place)
    return int(text, 8) if _PERMISSIONS.fullmatch(text) else place.refuse('use an octal number, quoted: "0750"')


def _bearer(token: str = "", tokens: tuple[str, ...] = (), **fields: Any) -> BearerTokenAuth:
    return BearerTokenAuth(tokens=(token,) if token else tokens, **fields)


def _check_bearer(fields: Fields) -> None:
    if "token" in fields.places and "tokens" in fields.places:
        fields.places["tokens"].problem("give either token or tokens", value=False)
    if not {"token", "tokens", "filename"} & fields.places.keys():
        fields.section.problem("give token, tokens or filename", value=False)
    for key in ("token", "tokens"):
        if key in fields.values and not fields.values[key]:
            fields.places[key].problem("use a token that is not empty", value=False)


def _health_check(response_body: dict[str, str] | None = None, **fields: Any) -> HealthCheck:
    return HealthCheck(**fields, **(response_body or {}))


# They change the size of files of the Collector's own format, and nothing that is delivered.
_COMPACTION: Final = {
    "on_start": kinds.boolean,
    "on_rebound": kinds.boolean,
    "cleanup_on_start": kinds.boolean,
    "directory": kinds.text,
    "check_interval": kinds.duration(),
    "max_transaction_size": kinds.integer(),
    "rebound_needed_threshold_mib": kinds.integer(),
    "rebound_trigger_threshold_mib": kinds.integer(),
}
FILE_STORAGE: Final[Section[FileStorage]] = Section(
    FileStorage,
    {
        "directory": Key(kinds.text),
        "timeout": Key(kinds.duration(), "timeout_ns"),
        "fsync": Key(kinds.boolean),
        "create_directory": Key(kinds.boolean),
        "directory_permissions": Key(_permissions),
        "compaction": Key(
            Section(dict[str, Any], {name: Key(kind, field=None) for name, kind in _COMPACTION.items()}),
            field=None,
            note="it has no effect here, where files are removed once they are sent",
        ),
        "max_size": Unsupported("use queue_size of the sending_queue"),
        "recreate": Unsupported(),
    },
)
"""The keys of the extension `file_storage`."""

HEALTH_CHECK: Final[Section[HealthCheck]] = Section(
    _health_check,
    {
        "endpoint": Key(kinds.text),
        "path": Key(kinds.text),
        "response_body": Key(
            Section(
                dict[str, Any],
                {"healthy": Key(kinds.string, "healthy_body"), "unhealthy": Key(kinds.string, "unhealthy_body")},
            )
        ),
        **dict.fromkeys(
            (
                "auth",
                "check_collector_pipeline",
                "component_health",
                "compression_algorithms",
                "cors",
                "dialer",
                "grpc",
                "http",
                "idle_timeout",
                "include_metadata",
                "keep_alives_enabled",
                "keepalive",
                "max_request_body_size",
                "middlewares",
                "read_header_timeout",
                "read_timeout",
                "response_headers",
                "tls",
                "transport",
                "use_v2",
                "write_timeout",
            ),
            Unsupported(),
        ),
    },
)
"""The keys of the extension `health_check`."""

BEARER_TOKEN_AUTH: Final[Section[BearerTokenAuth]] = Section(
    _bearer,
    {
        "header": Key(kinds.text),
        "scheme": Key(kinds.string),
        "token": Key(kinds.secret),
        "tokens": Key(kinds.list_of(kinds.secret)),
        "filename": Key(kinds.text),
        "retry_on_failure": Unsupported(),
        "wait_for_token_file": Unsupported(),
    },
    _check_bearer,
)
"""The keys of the extension `bearertokenauth`."""
