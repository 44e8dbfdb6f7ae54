from __future__ import annotations

import pytest

from otel_fe.config.components import COMPONENTS
from otel_fe.config.exporters import Debug, GrpcClientKeepalive, Nop, OtlpGrpc, OtlpHttp
from otel_fe.config.extensions import BearerTokenAuth, FileStorage, HealthCheck
from otel_fe.config.identifiers import ComponentId
from otel_fe.config.processors import BatchProcessor, MemoryLimiter
from otel_fe.config.receivers import Cors, GrpcKeepalive, GrpcServerSettings, HttpServerSettings, OtlpReceiver
from otel_fe.config.sending import QueueBatch, Retry, SendingQueue
from otel_fe.config.transport import ClientTls, ServerTls
from tests.unit.config.reads import read, read_reporting

S = 1_000_000_000
END = "endpoint: 'h:1'"


@pytest.mark.parametrize(
    ("component", "text", "value"),
    [
        ("receivers/otlp", "protocols: {grpc: , http: }", OtlpReceiver(GrpcServerSettings(), HttpServerSettings())),
        ("receivers/otlp", "protocols: {grpc: {enabled: false}, http: {}}", OtlpReceiver(None, HttpServerSettings())),
        (
            "receivers/otlp",
            """protocols: {grpc: {endpoint: "[::1]:1", transport: tcp, tls: {cert_file: c, key_file: k, client_ca_file: a},
            auth: {authenticator: bearertokenauth/in}, max_recv_msg_size_mib: 8, max_concurrent_streams: 9, include_metadata: true,
            keepalive: {server_parameters: {time: 1s}, enforcement_policy: {min_time: 2s, permit_without_stream: true}}}}""",
            OtlpReceiver(
                GrpcServerSettings(
                    endpoint="[::1]:1",
                    tls=ServerTls(cert_file="c", key_file="k", client_ca_file="a"),
                    auth=ComponentId("bearertokenauth", "in"),
                    max_recv_msg_size_mib=8,
                    max_concurrent_streams=9,
                    keepalive=GrpcKeepalive(time_ns=S, min_time_ns=2 * S, permit_without_stream=True),
                    include_metadata=True,
                )
            ),
        ),
        (
            "receivers/otlp",
            """protocols: {http: {tls: {cert_pem: C, key_pem: K, min_version: "1.3"}, cors: {allowed_origins: "*", max_age: 5},
            max_request_body_size: 0, response_headers: {a: b}, read_timeout: 1s, keepalive: {idle_timeout: 2s},
            read_header_timeout: 3s, write_timeout: 4s,
            traces_url_path: t, metrics_url_path: /m, logs_url_path: /l}}""",
            OtlpReceiver(
                http=HttpServerSettings(
                    tls=ServerTls(cert_pem="C", key_pem="K", min_version="1.3"),
                    cors=Cors(("*",), max_age_s=5),
                    response_headers={"a": "b"},
                    read_header_timeout_ns=3 * S,
                    read_timeout_ns=S,
                    write_timeout_ns=4 * S,
                    idle_timeout_ns=2 * S,
                    traces_url_path="/t",
                    metrics_url_path="/m",
                    logs_url_path="/l",
                )
            ),
        ),
        ("processors/batch", "{}", BatchProcessor(200_000_000, 8192, 0)),
        ("processors/batch", "{timeout: 0, send_batch_size: 5, send_batch_max_size: 5}", BatchProcessor(0, 5, 5)),
        (
            "processors/memory_limiter",
            "{check_interval: 1s, limit_percentage: 80}",
            MemoryLimiter(S, limit_percentage=80),
        ),
        (
            "processors/memory_limiter",
            "{check_interval: 1s, limit_mib: 5, spike_limit_mib: 4}",
            MemoryLimiter(S, limit_mib=5, spike_limit_mib=4),
        ),
        ("exporters/nop", "", Nop()),
        ("exporters/debug", "{}", Debug()),
        (
            "exporters/debug",
            "{verbosity: Detailed, sampling_initial: 1, sampling_thereafter: 5, sending_queue: }",
            Debug("detailed", 1, 5, SendingQueue()),
        ),
        ("exporters/otlp_grpc", f"{{{END}}}", OtlpGrpc("h:1")),
        ("exporters/otlp", f"{{{END}, sending_queue: , retry_on_failure: }}", OtlpGrpc("h:1")),
        (
            "exporters/otlp_grpc",
            """{endpoint: "dns:///h:1", tls: {insecure: true, ca_file: ca, server_name_override: o}, headers: {a: b}, timeout: 0,
            auth: {authenticator: bearertokenauth}, compression: none, keepalive: {time: 5s}, wait_for_ready: true, user_agent: u,
            balancer_name: pick_first, authority: x, sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}""",
            OtlpGrpc(
                "dns:///h:1",
                tls=ClientTls(insecure=True, ca_file="ca", server_name_override="o"),
                auth=ComponentId("bearertokenauth"),
                headers={"a": "b"},
                compression="none",
                timeout_ns=0,
                keepalive=GrpcClientKeepalive(5 * S),
                wait_for_ready=True,
                user_agent="u",
                balancer_name="pick_first",
                authority="x",
                sending_queue=None,
                retry_on_failure=None,
            ),
        ),
        (
            "exporters/otlphttp",
            "{traces_endpoint: 'https://h/t', headers: [{name: a, value: b}], compression: '', encoding: proto, proxy_url: 'http://p'}",
            OtlpHttp(traces_endpoint="https://h/t", headers={"a": "b"}, compression="none", proxy_url="http://p"),
        ),
        (
            "exporters/otlp_grpc",
            f"{{{END}, sending_queue: {{storage: file_storage/q, queue_size: 9, num_consumers: 1, block_on_overflow: true}}}}",
            OtlpGrpc("h:1", sending_queue=SendingQueue(1, 9, "requests", True, ComponentId("file_storage", "q"))),
        ),
        (
            "exporters/otlp_grpc",
            f"{{{END}, sending_queue: {{sizer: bytes, queue_size: 9000, batch: {{max_size: 8192}}}}}}",
            OtlpGrpc(
                "h:1", sending_queue=SendingQueue(10, 9000, "bytes", batch=QueueBatch(sizer="bytes", max_size=8192))
            ),
        ),
        (
            "exporters/otlp_grpc",
            f"{{{END}, sending_queue: {{batch: }}}}",
            OtlpGrpc("h:1", sending_queue=SendingQueue(batch=QueueBatch())),
        ),
        (
            "exporters/otlp_grpc",
            f"{{{END}, retry_on_failure: {{initial_interval: 1s, multiplier: 2, randomization_factor: 0, max_interval: 2s, max_elapsed_time: 0}}}}",
            OtlpGrpc("h:1", retry_on_failure=Retry(S, 0.0, 2.0, 2 * S, 0)),
        ),
        ("extensions/file_storage", "{}", FileStorage()),
        (
            "extensions/file_storage",
            "{directory: d, timeout: 2s, fsync: true, create_directory: true, directory_permissions: '0700'}",
            FileStorage("d", 2 * S, True, True, 0o700),
        ),
        (
            "extensions/health_check",
            "{path: /up, response_body: {healthy: ok}}",
            HealthCheck(path="/up", healthy_body="ok"),
        ),
        ("extensions/bearertokenauth", "{token: a, scheme: ''}", BearerTokenAuth(scheme="", tokens=("a",))),
        ("extensions/bearertokenauth", "{tokens: [a, b]}", BearerTokenAuth(tokens=("a", "b"))),
        ("extensions/bearertokenauth", "{filename: f, header: h}", BearerTokenAuth("h", filename="f")),
    ],
)
def test_components(component, text, value):
    """Every key, and the Collector's defaults."""
    section, kind = component.split("/")
    assert read(COMPONENTS[section][kind].keys, text or "~") == value


@pytest.mark.parametrize(
    ("component", "text", "problem"),
    [
        ("receivers/otlp", "~", "protocols: give protocols, with grpc, http or both"),
        ("receivers/otlp", "protocols: {}", "protocols: give grpc, http or both"),
        (
            "receivers/otlp",
            "protocols: {grpc: {transport: unix}}",
            "unix: it exists in the Collector but is not supported here; use tcp, tcp4 or tcp6",
        ),
        ("receivers/otlp", "protocols: {grpc: {tls: {}}}", "tls: give cert_file and key_file"),
        (
            "receivers/otlp",
            "protocols: {grpc: {tls: {cert_file: a, cert_pem: b, key_file: c}}}",
            "cert_pem: give either cert_file or cert_pem",
        ),
        (
            "receivers/otlp",
            "protocols: {grpc: {tls: {cert_file: a, key_file: b, min_version: '1.3'}}}",
            "1.3: it exists in the Collector but is not supported here; use 1.2",
        ),
        (
            "receivers/otlp",
            "protocols: {http: {keep_alives_enabled: false}}",
            "keep_alives_enabled: it exists in the Collector but is not supported here",
        ),
        (
            "processors/batch",
            "send_batch_max_size: 5",
            "use at least send_batch_size (8192 by default), or 0",
        ),
        (
            "processors/batch",
            "metadata_keys: [a]",
            "it exists in the Collector but is not supported here; batches do not depend on who sent them",
        ),
        ("processors/memory_limiter", "{check_interval: 1s}", "give limit_mib or limit_percentage, more than 0"),
        (
            "processors/memory_limiter",
            "{check_interval: 1s, limit_mib: 0}",
            "give limit_mib or limit_percentage, more than 0",
        ),
        ("processors/memory_limiter", "{limit_mib: 5}", "check_interval: give check_interval, for example 1s"),
        (
            "processors/memory_limiter",
            "{check_interval: 1s, limit_mib: 5, spike_limit_mib: 5}",
            "use less than limit_mib, which is 5",
        ),
        ("exporters/otlp_grpc", "{}", "endpoint: give an endpoint, for example localhost:4317"),
        ("exporters/otlp_grpc", "endpoint: '::1:4317'", "use host:port, for example localhost:4317"),
        ("exporters/otlp_grpc", "endpoint: unix:///a", "not supported here; use host:port"),
        ("exporters/otlp_grpc", "{endpoint: 'h:1', balancer_name: xds}", "use round_robin or pick_first"),
        ("exporters/otlp_http", "{}", "give an endpoint, for example http://localhost:4318"),
        ("exporters/otlp_http", "endpoint: localhost:4318", "use a URL, for example http://localhost:4318"),
        ("exporters/otlp_http", "endpoint: 'http://[h'", "use a URL, for example http://localhost:4318"),
        ("exporters/otlp_http", "{endpoint: 'http://h', encoding: json}", "not supported here; use proto"),
        ("exporters/nop", "{a: 1}", "a: there is no such key"),
        ("exporters/debug", "use_internal_logger: false", "not supported here; it writes to the log"),
        (
            "exporters/debug",
            "sending_queue: {batch: {min_size: 5, max_size: 4}}",
            "use at least min_size (8192 by default), or 0",
        ),
        (
            "exporters/debug",
            "sending_queue: {sizer: requests, batch: {}}",
            "batches count items or bytes; give one here or under batch::sizer",
        ),
        (
            "exporters/debug",
            "sending_queue: {sizer: items, batch: {}}",
            "use at least batch::min_size (8192 by default)",
        ),
        (
            "exporters/otlp_grpc",
            "{endpoint: 'h:1', retry_on_failure: {max_elapsed_time: 10s}}",
            "use at least max_interval, or 0 for no bound",
        ),
        ("extensions/file_storage", "directory_permissions: '0888'", 'use an octal number, quoted: "0750"'),
        ("extensions/bearertokenauth", "{}", "give token, tokens or filename"),
        ("extensions/bearertokenauth", "token: ''", "token: use a token that is not empty"),
        ("extensions/health_check", "use_v2: true", "use_v2: it exists in the Collector but is not supported here"),
    ],
)
def test_what_is_wrong_with_components(component, text, problem):
    """Each case is one problem; a secret is never in it."""
    section, kind = component.split("/")
    assert read(COMPONENTS[section][kind].keys, text).endswith(problem)


def test_secrets_stay_out_of_messages_and_values():
    """No problem and no repr shows a token, a key or a header."""
    exporter = COMPONENTS["exporters"]["otlp_http"].keys
    text = "{endpoint: 'http://h', headers: {a: hidden}, tls: {key_pem: hidden, cert_pem: hidden}}"
    assert "hidden" not in repr(read(exporter, text))
    assert "hidden" not in repr(read(COMPONENTS["extensions"]["bearertokenauth"].keys, "token: hidden"))
    assert "77" not in read(exporter, "{endpoint: 'http://h', headers: {a: 77}, tls: {key_pem: 77}}")


def test_compaction_is_accepted_with_a_warning():
    """`compaction` is accepted with a warning, as it does not change what is delivered."""
    value, report = read_reporting(COMPONENTS["extensions"]["file_storage"].keys, "compaction: {on_start: true}")
    assert (value, len(report.warnings)) == (FileStorage(), 1)
