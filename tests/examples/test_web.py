"""FastAPI, Flask and gunicorn: a request over a real socket is one trace with its extraction."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.examples.services import get, requests_with_extractions, service
from tests.integration.servers import free_port
from tests.otlp import receiving

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def otlp():
    """Return what arrives at an OTLP receiver of the test's own."""
    with receiving() as seen:
        yield seen


@pytest.mark.parametrize("path", ["features", "sync"])
def test_fastapi(otlp, path):
    """The extraction is a child of the request, in the event loop and on a thread."""
    port = free_port()
    with service("fastapi_service", otlp, "uvicorn", "app:app", "--port", str(port)):
        assert len(json.loads(get(f"http://127.0.0.1:{port}/{path}/7"))) == 8
        ((request, extraction),) = requests_with_extractions(otlp, 1)
        assert (request.name, request.scope) == (f"GET /{path}/{{user}}", "opentelemetry.instrumentation.fastapi")
        assert extraction.parent_id == request.span_id
        assert extraction.trace_id == request.trace_id
        assert request.start_ns <= extraction.start_ns <= extraction.end_ns <= request.end_ns


def test_flask(otlp):
    """The extraction is a child of the request."""
    port = free_port()
    with service("flask_service", otlp, "flask", "--app", "app", "run", "--port", str(port)):
        assert len(json.loads(get(f"http://127.0.0.1:{port}/features/7"))) == 8
        ((request, extraction),) = requests_with_extractions(otlp, 1)
        assert (request.name, request.scope) == ("GET /features/<int:user>", "opentelemetry.instrumentation.flask")
        assert extraction.parent_id == request.span_id


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["forked_before_import", "preloaded"])
def test_gunicorn_prefork(otlp, preload):
    """Two workers each export what they did themselves: every request once, with its extraction, and nothing twice."""
    port = free_port()
    command = ("gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{port}", *preload, "app:app")
    with service("gunicorn_prefork", otlp, *command, OTEL_BSP_SCHEDULE_DELAY="600000"):
        workers = Counter(_both_workers(f"http://127.0.0.1:{port}/features/7"))
    # Their exporters would have waited for ten minutes: it is their end that flushed.
    count = workers.total()
    pairs = requests_with_extractions(otlp, count)
    assert all(extraction.parent_id == request.span_id for request, extraction in pairs)
    assert len({extraction.trace_id for _, extraction in pairs}) == count
    processes = Counter(extraction.resource["service.instance.id"] for _, extraction in pairs)
    assert sorted(processes.values()) == sorted(workers.values())
    ids = [one.span_id for one in otlp.spans]
    assert len(ids) == len(set(ids)) == 2 * count


def _both_workers(url):
    """Yield the worker of each of at least twenty requests, until both have answered some."""
    seen = set()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(50):
            for answer in pool.map(get, [url] * 20):
                seen.add(json.loads(answer)["pid"])
                yield json.loads(answer)["pid"]
            if len(seen) == 2:
                return
    raise AssertionError("one worker has answered a thousand requests alone")
