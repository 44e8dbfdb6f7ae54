"""Requests from pages of other origins in a browser (CORS, fetch.spec.whatwg.org)."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

from otel_fe.collector.servers.http_messages import Response

if TYPE_CHECKING:
    from otel_fe.collector.servers.http_messages import Request
    from otel_fe.config.receivers import Cors

_ALWAYS: Final = ("accept", "accept-language", "content-language", "content-type")


def preflight(cors: Cors | None, request: Request) -> Response | None:
    """Return the answer to a browser that asks before it sends; None for other requests."""
    wanted = request.headers.get("access-control-request-method")
    if cors is None or request.method != "OPTIONS" or wanted is None:
        return None
    headers = list(allowance(cors, request))
    if headers:
        named = request.headers.get("access-control-request-headers", "")
        allowed = {*_ALWAYS, *(header.lower() for header in cors.allowed_headers)}
        asked = [name.strip().lower() for name in named.split(",") if name.strip()]
        if wanted == "POST" and ("*" in allowed or allowed.issuperset(asked)):
            headers.append(("access-control-allow-methods", "POST"))
            if asked:
                headers.append(("access-control-allow-headers", ", ".join(asked)))
            if cors.max_age_s:
                headers.append(("access-control-max-age", str(cors.max_age_s)))
    return Response(204, headers=headers)


def allowance(cors: Cors | None, request: Request) -> list[tuple[str, str]]:
    """Return the headers by which a page may see the answer; none for other origins than the allowed ones."""
    origin = request.headers.get("origin", "")
    if cors is None or not origin or not any(fnmatch.fnmatchcase(origin, one) for one in cors.allowed_origins):
        return []
    found = [("access-control-allow-origin", origin), ("vary", "Origin")]
    if cors.exposed_headers:
        found.append(("access-control-expose-headers", ", ".join(cors.exposed_headers)))
    return found
