"""The server over streamable HTTP: free on loopback, by token beyond it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from otel_fe.dashboard.access import Access, Admission

PATH: Final = "/mcp"
_MOST_BODY: Final = 1 << 20
_MOST_SESSIONS: Final = 100
_IDLE_S: Final = 600.0
_FORBIDDEN: Final = 403
_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429


class Guarded:
    """An ASGI application that checks the host name and the token of each request.

    Args:
        application: What is guarded.
        access: The rules.
    """

    def __init__(self, application: Any, access: Access) -> None:
        self._application = application
        self._access = access

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._access.known_host(headers.get("host", "")):
            await _refuse(send, _FORBIDDEN, "ask by the name of localhost, or start it with --host NAME")
            return
        client = scope.get("client")
        admission: Admission = self._access.admission(headers, client[0] if client else "")
        if admission.admitted:
            await self._application(scope, receive, send)
        elif admission.wait_s:
            await _refuse(send, _TOO_MANY, f"too many wrong tokens; wait {admission.wait_s} s")
        else:
            await _refuse(send, _UNAUTHORIZED, "send Authorization: Bearer and the token")


async def _refuse(send: Any, status: int, reason: str) -> None:
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == _UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def application(server: MCPServer[Any], access: Access) -> Guarded:
    """Return the ASGI application of a server."""
    # Names and tokens are checked by `Guarded`, by the rules of the dashboard.
    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=_MOST_BODY,
        max_sessions=_MOST_SESSIONS,
        session_idle_timeout=_IDLE_S,
        transport_security=unchecked,
    )
    return Guarded(inner, access)


def serve(server: MCPServer[Any], access: Access) -> None:
    """Serve until SIGINT or SIGTERM."""
    listen = access.listen
    uvicorn.run(application(server, access), host=listen.host, port=listen.port, log_level="warning", ws="none")
