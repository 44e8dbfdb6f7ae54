"""A request and a response of HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request, with all of its body."""

    method: str
    path: str
    """Path without the query."""
    headers: Mapping[str, str]
    """Keyed by lower-case name; of several with one name, all, separated by commas."""
    body: bytes = b""
    query: str = ""
    """The part behind the question mark, undecoded."""
    sender: str = ""
    """Address of the client, without its port; empty on a Unix socket."""


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Sequence[tuple[str, str]] = field(default=())


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms on which a request's body is read."""

    most_bytes: int
    too_large: Response
    """The answer to a larger one."""
    no_room: Response = field(default_factory=lambda: Response(503, b"busy\n", headers=(("retry-after", "1"),)))
    """The answer where the server holds too many bytes already."""


Look = Callable[[HttpRequest], "Terms | Response"]
"""Looks at a request without its body: returns how much of that is read, or answers at once, and nothing of it is."""
Answer = Callable[[HttpRequest], Awaitable[Response]]
"""Answers a request."""
