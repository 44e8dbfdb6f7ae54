"""Extractions are instrumented in an isolated subinterpreter, which may have no daemon threads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_APPLICATION = """
import json, logging, time
import otel_fe
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otel_fe import faults
from otel_fe.instrument.instrumentor import FeatureExtractionInstrumentor

class Lines(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.WARNING or "unavailable" in record.getMessage():
            lines.append((record.levelname, record.getMessage().split(" ")[1]))

lines, kept = [], InMemorySpanExporter()
logging.getLogger("otel_fe").addHandler(Lines())
logging.getLogger("otel_fe").setLevel(logging.DEBUG)
provider = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(kept))
instrumentor = FeatureExtractionInstrumentor()
instrumentor.instrument(tracer_provider=provider)

@otel_fe.extraction("images")
def extract(seconds):
    time.sleep(seconds)
    return "features"

returned = [extract(0.0), extract(0.15)]
spans = len(kept.get_finished_spans())
counts = faults.counts()
instrumentor.uninstrument()
with open(path, "w") as file:
    json.dump([returned, spans, counts, lines], file)
"""
_MAIN = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
here = interpreters.create()
problem = interpreters.run_string(here, "import sys; sys.path[:] = %r; path = %r\\n%s" % (sys.path, sys.argv[2], sys.argv[1]))
assert problem is None, problem
interpreters.destroy(here)
"""


@pytest.mark.skipif(
    sys.version_info[:2] == (3, 12), reason="the SDK imports ctypes, which 3.12 does not load in subinterpreters"
)
def test_extractions_of_an_isolated_subinterpreter_are_instrumented_without_threads(tmp_path):
    path = tmp_path / "found.json"
    command = [sys.executable, "-c", _MAIN, _APPLICATION, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    returned, spans, counts, lines = json.loads(path.read_text())
    assert returned == ["features", "features"]
    assert spans >= 1  # the slow one, at once; the healthy one by its id
    assert counts == {"background.thread": 1, "standby.thread": 2, "watch.thread": 1}
    assert lines == [["DEBUG", name] for name in counts]
