from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_fe.config.collector import CollectorConfig, Telemetry, read_collector_config
from otel_fe.config.components import COMPONENTS
from otel_fe.config.exporters import Debug, OtlpHttp
from otel_fe.config.identifiers import ComponentId, PipelineId
from otel_fe.config.pipelines import Pipeline
from otel_fe.config.problems import InvalidConfigError
from otel_fe.config.span_metrics import SpanMetrics
from otel_fe.errors import ConfigurationError
from tests.effort import examples

CASES = Path(__file__).parent / "cases"
MINIMAL = """
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
"""


def read(text, **environ):
    return read_collector_config(text, "f", environ)


def problems(text, **environ):
    with pytest.raises(InvalidConfigError) as caught:
        read(text, **environ)
    return [str(problem) for problem in caught.value.problems]


def test_a_minimal_file():
    """One receiver, one exporter, one pipeline."""
    config = read(MINIMAL)
    otlp, debug = ComponentId("otlp"), ComponentId("debug")
    assert list(config.receivers) == [otlp]
    assert config.exporters == {debug: Debug()}
    assert config.pipelines == {PipelineId("traces"): Pipeline((otlp,), (debug,))}
    assert (config.telemetry, config.warnings) == (Telemetry(), ())


def test_a_file_with_everything():
    """The Collector v0.160 accepts it too (`otelcol validate`)."""
    config = read_collector_config((CASES / "everything.yaml").read_text(), "f", {"TRACES": "100"})
    assert isinstance(config, CollectorConfig)
    assert config.processors[ComponentId("tail_sampling")].num_traces == 100
    assert isinstance(config.connectors[ComponentId("span_metrics")], SpanMetrics)
    assert isinstance(config.exporters[ComponentId("otlp_http")], OtlpHttp)
    assert list(map(str, config.pipelines)) == ["traces", "traces/all", "metrics"]
    assert config.telemetry == Telemetry("none", "warn")
    assert config.warnings == ()


def test_a_file_with_everything_wrong():
    """Every problem at once, one a line, in the order of the file."""
    file = CASES / "everything_wrong.yaml"
    with pytest.raises(ConfigurationError) as caught:
        read_collector_config(file.read_text(), file.name, {})
    assert str(caught.value).splitlines() == (CASES / "everything_wrong.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            ("[debug]", "[debgu]"),
            ["f:4:63: service::pipelines::traces::exporters[0]: debgu: no exporter has this id; did you mean debug?"],
        ),
        (
            ("[debug]", "[debug, debug]"),
            ["f:4:70: service::pipelines::traces::exporters[1]: debug: name each component once"],
        ),
        (("[debug]", "[]"), ["f:4:51: service::pipelines::traces::exporters: use a list of at least one exporter"]),
        (
            ("[otlp]", "otlp"),
            ["f:4:32: service::pipelines::traces::receivers: otlp: use a list of at least one receiver"],
        ),
        (
            ("traces:", "trace:"),
            [
                "f:4:23: service::pipelines::trace: a pipeline carries traces, metrics, logs or profiles; did you mean traces?"
            ],
        ),
        (
            ("traces:", "traces/:"),
            ["f:4:23: service::pipelines::traces/: an id is type or type/name; a name has no blanks or symbols"],
        ),
        (
            ("debug: }", "debug: , debugg: }"),
            [
                "f:3:22: exporters::debugg: there is no such type of exporter; did you mean debug?; use one of debug, nop, otlp_grpc, otlp_http, otlp, otlphttp"
            ],
        ),
        (
            ("debug: }", "debug: , kafka: }"),
            [
                "f:3:22: exporters::kafka: it exists in the Collector but is not supported here; use one of debug, nop, otlp_grpc, otlp_http, otlp, otlphttp"
            ],
        ),
        (
            ("debug: }", "debug: , ' debug': }"),
            ["f:3:22: exporters:: debug: another component already has this id"],
        ),
        (
            ("service: {", "service: {extensions: [health_check], "),
            ["f:4:24: service::extensions[0]: health_check: no extension has this id"],
        ),
        (
            ("service: {pipelines", "servise: {pipelines"),
            [
                "f:2:1: add a service section with its pipelines",
                "f:4:1: servise: there is no such section; did you mean service?",
            ],
        ),
        (
            ("service: {", "service: {telemetry: {metrics: {address: x}}, "),
            ["f:4:33: service::telemetry::metrics::address: there is no such key"],
        ),
    ],
)
def test_what_can_be_wrong_with_a_service(change, found):
    """Each in one line."""
    assert problems(MINIMAL.replace(*change)) == found


def test_connectors_are_connected_on_both_sides():
    """A connector is at the end of one pipeline and at the start of another, of the right signals."""
    text = """
receivers: {otlp: {protocols: {grpc: }}}
connectors: {spanmetrics: }
exporters: {debug: }
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [spanmetrics]}
    metrics: {receivers: [spanmetrics], exporters: [debug]}
"""
    assert read(text).connectors == {ComponentId("spanmetrics"): SpanMetrics()}
    assert problems(text.replace("receivers: [spanmetrics]", "receivers: [otlp]")) == [
        "f:7:45: service::pipelines::traces::exporters[0]: spanmetrics: name this connector as a receiver of another pipeline too"
    ]
    assert problems(text.replace("exporters: [spanmetrics]", "exporters: [debug]")) == [
        "f:8:27: service::pipelines::metrics::receivers[0]: spanmetrics: name this connector as an exporter of another pipeline too"
    ]
    assert problems(text.replace("    metrics:", "    logs:")) == [
        "f:8:24: service::pipelines::logs::receivers[0]: spanmetrics: spanmetrics gives metrics, not logs"
    ]
    assert problems(text.replace("exporters: [debug]", "exporters: [debug, spanmetrics]")) == [
        "f:8:60: service::pipelines::metrics::exporters[1]: spanmetrics: spanmetrics takes traces, not metrics"
    ]
    assert problems(text.replace("connectors: {spanmetrics: }", "connectors: {}")) == [
        "f:7:45: service::pipelines::traces::exporters[0]: spanmetrics: no exporter has this id",
        "f:8:27: service::pipelines::metrics::receivers[0]: spanmetrics: no receiver has this id",
    ]


def test_extensions_are_defined_and_switched_on():
    """Extensions that components refer to must be defined and switched on, too."""
    text = """
extensions: {file_storage: , bearertokenauth: {token: a}}
receivers: {otlp: {protocols: {grpc: }}}
exporters: {otlp: {endpoint: "h:1", auth: {authenticator: bearertokenauth}, sending_queue: {storage: file_storage}}}
service:
  extensions: [file_storage, bearertokenauth]
  pipelines: {traces: {receivers: [otlp], exporters: [otlp]}}
"""
    assert list(map(str, read(text).extensions)) == ["file_storage", "bearertokenauth"]
    assert problems(text.replace("[file_storage, ", "[")) == [
        "f:4:93: exporters::otlp::sending_queue::storage: file_storage: it is defined but not enabled; add it to service::extensions"
    ]
    assert problems(text.replace("storage: file_storage", "storage: bearertokenauth")) == [
        "f:4:93: exporters::otlp::sending_queue::storage: bearertokenauth: name an extension of type file_storage"
    ]
    assert problems(text.replace("{file_storage: , ", "{")) == [
        "f:4:93: exporters::otlp::sending_queue::storage: file_storage: no extension has this id",
        "f:6:16: service::extensions[0]: file_storage: no extension has this id",
    ]


DURABLE = """
extensions: {file_storage: }
receivers: {otlp: {protocols: {grpc: }}}
exporters:
  otlp:
    endpoint: "h:1"
    sending_queue: {storage: file_storage}
service:
  extensions: [file_storage]
  pipelines: {traces: {receivers: [otlp], exporters: [otlp]}}
"""


@pytest.mark.parametrize("kind", ["otlp", "otlphttp"])
@pytest.mark.parametrize(
    ("retry", "place", "when"),
    [
        ("", "7:21: exporters::{}::sending_queue::storage", "after 300 s of failures"),
        ("{max_interval: 10s}", "7:21: exporters::{}::sending_queue::storage", "after 300 s of failures"),
        ("{max_elapsed_time: 1m}", "8:24: exporters::{}::retry_on_failure::max_elapsed_time", "after 60 s of failures"),
        (
            "{enabled: false}",
            "7:21: exporters::{}::sending_queue::storage",
            "at its first failure, since retry_on_failure is switched off",
        ),
        ("{max_elapsed_time: 0}", "", ""),
        ("{max_elapsed_time: 0s}", "", ""),
    ],
)
def test_a_queue_on_disk_that_gives_up_is_a_warning(kind, retry, place, when):
    """Durable, and dropped after five minutes all the same: it says so, and what would be right."""
    text = DURABLE.replace("otlp:\n", f"{kind}:\n").replace("[otlp]}", f"[{kind}]}}").replace("h:1", "http://h:1")
    if retry:
        text = text.replace("storage: file_storage}\n", f"storage: file_storage}}\n    retry_on_failure: {retry}\n")
    said = (
        f"f:{place.format(kind)}: the queue is on disk, but each request is still dropped {when}; to keep requests until the "
        "backend is back, set retry_on_failure::max_elapsed_time: 0"
    )
    assert [str(warning) for warning in read(text).warnings] == ([said] if place else [])


def test_a_queue_in_memory_may_give_up():
    """An in-memory queue with a retry limit gets no warning: it makes no promise of durability."""
    text = DURABLE.replace("    sending_queue: {storage: file_storage}\n", "")
    assert read(text).warnings == ()


def test_what_is_not_used_is_a_warning():
    """An unused component is valid but has no effect, so it is a warning."""
    text = MINIMAL.replace("debug: }", "debug: , nop: }") + "processors: {batch: }\nextensions: {health_check: }\n"
    assert [str(warning) for warning in read(text).warnings] == [
        "f:3:22: exporters::nop: no pipeline names it, so it does nothing",
        "f:5:14: processors::batch: no pipeline names it, so it does nothing",
        "f:6:14: extensions::health_check: it is not in service::extensions, so it does nothing",
    ]


def test_an_exporter_has_an_endpoint_for_what_it_gets():
    """A URL for traces is none for metrics."""
    text = MINIMAL.replace("debug: }", "otlphttp: {metrics_endpoint: 'http://h'}}").replace("[debug]", "[otlphttp]")
    assert problems(text) == [
        "f:4:63: service::pipelines::traces::exporters[0]: otlphttp: give it an endpoint or traces_endpoint"
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["f:1:1: the file is empty"]),
        ("# nothing\n", ["f:1:1: the file is empty"]),
        ("a: 1\n---\nb: 1\n", ["f:3:1: use one document; the Collector ignores what follows the first"]),
        ("- a\n", ["f:1:1: a list: use a mapping", "f:1:1: add a service section with its pipelines"]),
        (
            "a: [",
            ["f:1:5: this is not YAML: while parsing a flow node, expected the node content, but found '<stream end>'"],
        ),
    ],
)
def test_what_is_no_configuration(text, found):
    """A file that is no configuration is reported in one or two lines."""
    assert problems(text) == found


def test_the_error_carries_its_problems():
    """The error has its problems as data, beside the message."""
    with pytest.raises(InvalidConfigError) as caught:
        read(MINIMAL.replace("[debug]", "[x]"))
    (problem,) = caught.value.problems
    assert (problem.position.line, problem.key, problem.value) == (4, "service::pipelines::traces::exporters[0]", "x")
    assert (caught.value.where, caught.value.value) == ("f:4:63: service::pipelines::traces::exporters[0]", "x")


KEYS = sorted(
    {key for section in COMPONENTS.values() for kind in section.values() for key in kind.keys.keys}
    | {name for section in COMPONENTS.values() for name in section}
    | {
        "protocols",
        "grpc",
        "http",
        "name",
        "type",
        "traces",
        "metrics",
        "receivers",
        "processors",
        "exporters",
        "pipelines",
        "<<",
    }
    | {"latency", "and", "and_sub_policy", "composite", "composite_sub_policy", "rate_allocation", "policy", "percent"}
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([*KEYS, "1s", "h:1", "${env:A}", "http://h", "", "a/b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=examples(150), deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            **{
                section: st.dictionaries(st.sampled_from(sorted(kinds)) | st.text(max_size=3), VALUES, max_size=3)
                | VALUES
                for section, kinds in COMPONENTS.items()
            },
            "service": VALUES | st.fixed_dictionaries({"pipelines": VALUES, "extensions": VALUES}),
        },
    ),
    st.text(max_size=5),
)
def test_nothing_else_is_raised_for_any_document(document, value):
    """Every document is read, or refused with its problems."""
    import yaml

    try:
        read(yaml.safe_dump(document, allow_unicode=True), A=value)
    except InvalidConfigError as error:
        assert error.problems


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_nothing_else_is_raised_for_any_text(data):
    """Any text, even a valid file with a few changed characters, raises no other error."""
    text = (CASES / "everything.yaml").read_text()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + data.draw(st.sampled_from(["", "x", ":", "-1", "{", "]", "'", "\n", "${", "*", "&a ", "~"]))
            + text[at + data.draw(st.integers(0, 8)) :]
        )
    try:
        read(text, TRACES="100")
    except InvalidConfigError as error:
        assert error.problems


def test_pipelines_of_profiles_are_those_of_the_collector():
    """`batch` does not take profiles, as in the Collector; exporters have an endpoint for them."""
    text = """
receivers: {otlp: {protocols: {grpc: }}}
processors: {batch: , memory_limiter: {check_interval: 1s, limit_mib: 100}}
exporters: {otlp_http: {profiles_endpoint: "http://localhost:1/v1development/profiles"}}
service: {pipelines: {profiles: {receivers: [otlp], processors: [memory_limiter], exporters: [otlp_http]}}}
"""
    config = read_collector_config(text, "f", {})
    assert [str(pipeline) for pipeline in config.pipelines] == ["profiles"]
    with pytest.raises(ConfigurationError, match="batch takes traces and metrics and logs, not profiles"):
        read_collector_config(text.replace("[memory_limiter]", "[batch]"), "f", {})
