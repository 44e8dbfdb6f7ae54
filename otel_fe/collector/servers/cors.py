"""Requests from pages of other origins in a browser (CORS, fetch.spec.whatwg.org), allowed as the Collector allows them.

An origin's scheme and host are the same in any case. Pages of the origins that are named may send cookies and other credentials;
with `*`, which lets every page in, browsers do not send them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.collector.servers.http_messages import Response

if TYPE_CHECKING:
    from otel_fe.collector.servers.http_messages import HttpRequest
    from otel_fe.config.receivers import Cors

_ALWAYS: Final = ("accept", "accept-language", "content-language", "content-type", "x-requested-with")
_ANY: Final = "*"


def preflight(cors: Cors | None, request: HttpRequest) -> Response | None:
    """Return the answer to a browser's preflight request; None for other requests."""
    wanted = request.headers.get("access-control-request-method")
    if cors is None or request.method != "OPTIONS" or wanted is None:
        return None
    headers = list(allowance(cors, request))
    if headers:
        named = request.headers.get("access-control-request-headers", "")
        allowed = {*_ALWAYS, *(header.lower() for header in cors.allowed_headers)}
        asked = [name.strip().lower() for name in named.split(",") if name.strip()]
        if wanted == "POST" and (_ANY in allowed or allowed.issuperset(asked)):
            headers.append(("access-control-allow-methods", "POST"))
            if asked:
                headers.append(("access-control-allow-headers", ", ".join(asked)))
            if cors.max_age_s:
                headers.append(("access-control-max-age", str(cors.max_age_s)))
    return Response(204, headers=headers)


def allowance(cors: Cors | None, request: HttpRequest) -> list[tuple[str, str]]:
    """Return the headers by which a page may see the answer; none for other origins than the allowed ones."""
    origin = request.headers.get("origin", "")
    if cors is None or not origin:
        return []
    if _ANY in cors.allowed_origins:
        found = [("access-control-allow-origin", _ANY)]
    elif any(_matches(one.lower(), origin.lower()) for one in cors.allowed_origins):
        found = [("access-control-allow-origin", origin), ("access-control-allow-credentials", "true")]
    else:
        return [("vary", "Origin")]
    found.append(("vary", "Origin"))
    if cors.exposed_headers:
        found.append(("access-control-expose-headers", ", ".join(cors.exposed_headers)))
    return found


def _matches(pattern: str, origin: str) -> bool:
    """Compare an origin with an allowed one, in which one `*` matches anything, as in the Collector."""
    before, star, after = pattern.partition(_ANY)
    if not star:
        return origin == pattern
    return len(origin) >= len(before) + len(after) and origin.startswith(before) and origin.endswith(after)
