"""The faster replacements in OpenTelemetry's instrumentations return the same as the originals."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.instrumentation import redis as instrumentation
from opentelemetry.instrumentation._semconv import _StabilityMode
from opentelemetry.instrumentation.redis import util
from opentelemetry.instrumentation.utils import is_instrumentation_enabled, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider

from otel_fe.config.settings import Settings
from otel_fe.instrument.libraries import redis_spans
from otel_fe.instrument.libraries.instrumented import asked_directly
from otel_fe.instrument.process import ProcessPipeline

MODES = (_StabilityMode.DEFAULT, _StabilityMode.DEFAULT)
SETTINGS = [
    {},
    {"host": "a", "port": 1},
    {"path": "/tmp/a.sock", "db": 3},
    {"path": None},
    {"db": None, "host": "b"},
]


@pytest.fixture(params=[True, False], ids=["lean", "of the SDK"])
def span(request):
    """A recording span."""
    provider = TracerProvider(shutdown_on_exit=False)
    pipeline = ProcessPipeline(Settings(), provider, None)
    if request.param:
        pipeline.install()
    yield provider.get_tracer("t").start_span("GET")
    if request.param:
        pipeline.remove()


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("ended", [False, True])
def test_attributes_of_a_connection_are_the_instrumentations(span, settings, ended):
    """Attributes are set on lean spans in one call, on others as before, and on no ended span."""
    client = SimpleNamespace(connection_pool=SimpleNamespace(connection_kwargs=settings))
    if ended:
        span.end()
    expected = {} if ended else util._extract_conn_attributes(settings, *MODES)
    replaced = redis_spans._setting_at_once(instrumentation._set_connection_attributes)
    for _ in range(2):
        replaced(span, client, *MODES)
    assert dict(span.attributes) == expected


@pytest.mark.parametrize("client", [SimpleNamespace(), SimpleNamespace(connection_pool=SimpleNamespace())])
def test_client_without_a_pool_has_no_attributes(span, client):
    """A client without a pool, such as a cluster's, has no connection attributes."""
    redis_spans._setting_at_once(instrumentation._set_connection_attributes)(span, client, *MODES)
    assert not span.attributes


FORMATTED = redis_spans._formatting_once(util._format_command_args)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["GET", "MGET", "get"]), st.text(max_size=80), st.integers(), st.booleans(), st.binary()
        ),
        max_size=6,
    )
)
def test_text_of_a_command_is_the_instrumentations(args):
    """Whatever its name is."""
    assert FORMATTED(tuple(args)) == util._format_command_args(args)


def test_suppressed_instrumentation_is_seen():
    """Either of the API's suppression keys suppresses the span."""
    asked = asked_directly(is_instrumentation_enabled)
    assert asked() is True
    with suppress_instrumentation():
        assert asked() is False
    assert asked() is True
