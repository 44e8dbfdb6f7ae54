"""A streaming response of Starlette behind a real server: each step of its generator runs in a context of its own."""

from __future__ import annotations

import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

import otel_fe
from otel_fe.testing import capture

CLIENTS = 4
REQUESTS = 20
SHARED = otel_fe.extraction("shared")


def shared():
    """Yield rows inside a block of a declaration that all requests share."""
    with SHARED:
        yield from (b"row\n" for _ in range(20))


def own():
    """Yield rows inside a block of its own."""
    with otel_fe.extraction("own"):
        yield from (b"row\n" for _ in range(20))


@otel_fe.extraction("decorated")
def decorated():
    """Yield rows; each iteration is an extraction."""
    yield from (b"row\n" for _ in range(20))


async def shared_async():
    """Yield rows from an async generator inside the shared declaration."""
    async with SHARED:
        for _ in range(20):
            yield b"row\n"


@pytest.fixture
def serve():
    """Return a function that serves a generator function as a streaming response, and returns its address."""
    servers = []

    def start(rows):
        def endpoint(_request):
            return StreamingResponse(rows(), media_type="text/plain")

        config = uvicorn.Config(Starlette(routes=[Route("/", endpoint)]), port=0, log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        servers.append((server, thread))
        while not (server.started and server.servers):
            thread.join(0.01)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"

    yield start
    for server, thread in servers:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("rows", [shared, own, decorated, shared_async])
def test_streams_of_several_clients_each_count(serve, rows):
    """Twenty requests by four clients at once are twenty extractions, and no trace stays open."""

    def get(address):
        with urllib.request.urlopen(address) as answer:
            return answer.read()

    with capture() as captured:
        address = serve(rows)
        with ThreadPoolExecutor(CLIENTS) as clients:
            bodies = list(clients.map(lambda _: get(address), range(REQUESTS)))
        assert bodies == [b"row\n" * 20] * REQUESTS
        assert captured.total("feature_extraction.duration") == REQUESTS
        assert len(captured.extractions()) == REQUESTS
        assert captured.total("otel_fe.pipeline.traces.open") == 0
