"""`otel-fe collector --dashboard`: the pages beside the collector, in a process that lives and dies with it and touches nothing of it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager, suppress

import psutil
import pytest

from otel_fe.store import StoreReader
from tests.unit.collector.running import OTEL_FE, Process, backend, config, running, send, until


@contextmanager
def served(tmp_path, *arguments, text=None, environ=None):
    """Run a collector with a store and a dashboard; its `url` says where."""
    store = str(tmp_path / "store")
    with backend() as sink:
        text = text or config(f"127.0.0.1:{sink.port}")
        with running(tmp_path, text, "--store", store, "--dashboard", "localhost:0", *arguments) as collector:
            collector.sink = sink
            collector.url = re.search(r"dashboard on (http://\S+?/)[,;]", collector.log)[1]
            yield collector


def get(url, path="", **headers):
    """Return a page's status and text."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, headers=headers), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def answers(url):
    try:
        return get(url)[0] == 200
    except OSError:
        return False


def child(collector):
    """Return the dashboard's process."""
    for one in psutil.Process(collector.process.pid).children():
        with suppress(psutil.Error):  # dead already
            if "otel-fe dashboard" in one.cmdline():
                return one
    return None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_pages_show_what_the_collector_keeps(tmp_path, workers):
    """A slow extraction is on its page within moments, with why it was kept and a link to where else it is."""
    link = "http://localhost:16686/trace/{trace_id}"
    with served(tmp_path, "--trace-url", link, "--workers", workers) as collector:
        assert "No data yet" in get(collector.url)[1]
        send(collector.grpc, 0xABC, slow=True, name="feature_extraction shop")
        page = until(
            lambda: (found := get(collector.url, f"trace/{0xABC:032x}"))[0] == 200 and found[1],
            told=lambda: collector.log,
        )
        assert "kept by" in page
        assert f"http://localhost:16686/trace/{0xABC:032x}" in page
        last = collector.stop()
        assert "2 spans received = 2 sampled" in last
        assert not answers(collector.url)


def test_the_policies_shown_are_those_in_force(tmp_path):
    """The page shows the loaded configuration: not a changed or rejected file, but a reloaded one."""
    with served(tmp_path) as collector:
        send(collector.grpc, 1, slow=True)
        until(lambda: "In force" in get(collector.url, "policies")[1])
        before = collector.file.read_text()
        collector.file.write_text(before.replace("{name: all,", "{name: edited,"))
        assert "name: all" in get(collector.url, "policies")[1]
        collector.file.write_text(before.replace("decision_wait", "decision_weight"))
        collector.send_signal(signal.SIGHUP)
        collector.until("the configuration was not reloaded")
        assert "name: all" in get(collector.url, "policies")[1]
        collector.file.write_text(before.replace("{name: all,", "{name: newer,"))
        collector.send_signal(signal.SIGHUP)
        collector.until("reloaded")
        until(lambda: "name: newer" in get(collector.url, "policies")[1])
        assert str(collector.file) in get(collector.url, "policies")[1]
        # One that is restarted after that gets the same configuration.
        child(collector).kill()
        collector.until("restarting it")
        collector.file.write_text(before)
        until(lambda: answers(collector.url))
        assert "name: newer" in get(collector.url, "policies")[1]
        collector.stop()


def test_the_slos_shown_are_those_that_alerts_are_on(tmp_path):
    """The collector's file of them, as it was at its start."""
    slos = tmp_path / "slos.yaml"
    slos.write_text(default_slo("one_of_ours"))
    with running(tmp_path, config(), "--store", str(tmp_path / "store")) as collector:
        send(collector.grpc, 1, name="feature_extraction shop")
        collector.stop()
    with served(tmp_path, "--slo", str(slos)) as collector:
        slos.write_text("rubbish: [")
        assert '"one_of_ours"' in get(collector.url, "slo.json")[1]
        child(collector).kill()
        collector.until("restarting it")
        until(lambda: answers(collector.url))
        assert '"one_of_ours"' in get(collector.url, "slo.json")[1]
        collector.stop()


def default_slo(name):
    """Return one of the default SLOs under another name."""
    from otel_fe.config.openslo import default_text

    return default_text().replace("name: latency", f"name: {name}", 1)


def test_a_dead_dashboard_is_started_again_and_the_collector_goes_on(tmp_path):
    """The dashboard restarts on the same port, no span is lost, and the collector's health does not depend on it."""
    text = config(extensions='{health_check: {endpoint: "localhost:0"}}')
    with served(tmp_path, text=text) as collector:
        health = re.search(r"health on (http://\S+?)[,;]", collector.log)[1]
        for number in range(1, 4):
            before = child(collector)
            before.kill()
            send(collector.grpc, number)
            assert get(health)[0] == 200
            until(lambda before=before: (now := child(collector)) and now.pid != before.pid, 60)
            until(lambda: answers(collector.url))
        assert collector.log.count("restarting it") == 3
        assert collector.sums()["otelcol_receiver_accepted_spans"] == 6
        collector.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_collector(tmp_path, how):
    """The dashboard ends with the collector, even after `kill -9`, which no handler can catch, and frees its port."""
    with served(tmp_path) as collector:
        orphan = child(collector)
        collector.send_signal(how)
        collector.process.wait(30)
        collector.log_file.close()
        _, alive = psutil.wait_procs([orphan], 20)
        assert not alive
        port = int(collector.url.rsplit(":", 1)[1].strip("/"))
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=2)


def test_a_signal_to_all_processes_is_the_collectors(tmp_path):
    """A Ctrl-C in a terminal, or a service manager's SIGTERM, reaches both: the dashboard leaves when the collector says so."""
    with served(tmp_path) as collector:
        one = child(collector)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            one.send_signal(number)
        time.sleep(0.3)
        assert child(collector).pid == one.pid
        assert answers(collector.url)
        collector.stop()
        assert not one.is_running()


def test_off_loopback_it_asks_for_the_token_and_shows_it_to_nobody(tmp_path):
    """The dashboard reads the token from its file, so that no process has it among its arguments."""
    token = "a-token-of-some-length"
    (tmp_path / "token").write_text(f"{token}\n")
    store = str(tmp_path / "store")
    listen = ("--dashboard", "0.0.0.0:0", "--dashboard-token-file", str(tmp_path / "token"))
    with running(tmp_path, config(), "--store", store, *listen) as collector:
        url = re.search(r"dashboard on (http://\S+?/)[,;]", collector.log)[1].replace("0.0.0.0", "127.0.0.1")
        assert get(url)[0] == 401
        assert "No data yet" in get(url, Authorization=f"Bearer {token}")[1]
        for process in (psutil.Process(collector.process.pid), child(collector)):
            assert token not in " ".join(process.cmdline())
            assert token not in json.dumps(process.environ())
        assert token not in collector.log
        # One that is started again still asks.
        child(collector).kill()
        collector.until("restarting it")
        until(lambda: _status(url) == 401)
        collector.stop()


def _status(url):
    try:
        return get(url)[0]
    except OSError:
        return 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dashboard"], "--dashboard: 'localhost:8899' cannot be used; use it with --store DIR"),
        (
            ["--store", "{}", "--dashboard", "0.0.0.0:0"],
            "set a token (--dashboard-token-file, or OTEL_FE_DASHBOARD_TOKEN)",
        ),
        (["--store", "{}", "--dashboard", "nonsense"], "--dashboard: 'nonsense' cannot be used; use host:port"),
        (["--store", "{}", "--dashboard", "localhost:{taken}"], "choose another port, or 0 for a free one"),
        (
            ["--store", "{}", "--dashboard", "localhost:0", "--dashboard-token", "short"],
            "--dashboard-token: '5 characters'",
        ),
        (
            ["--store", "{}", "--dashboard", "localhost:0", "--trace-url", "javascript:{trace_id}"],
            "--trace-url: 'javascript:",
        ),
        (["--store", "{}", "--trace-url", "http://h/{trace_id}"], "--trace-url: 'without --dashboard' cannot be used"),
        (["--store", "{}", "--dashboard-token", "a-token-of-some-length"], "--dashboard-token: 'without --dashboard'"),
        (["--slo", "slos.yaml"], "--slo: 'slos.yaml' cannot be used; use it with --store DIR"),
        (["--slo", "slos.yaml", "--workers", "2"], "--slo: 'slos.yaml' cannot be used; use it with --store DIR"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_left_running(tmp_path, arguments, said):
    """Before anything listens; and the token is not among what is said."""
    file = tmp_path / "c.yaml"
    file.write_text(config())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = [one.replace("{taken}", port).replace("{}", str(tmp_path / "store")) for one in arguments]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
        command = [OTEL_FE, "collector", "--config", file, "--admin-endpoint", "none", *told]
        done = subprocess.run(command, capture_output=True, text=True, env=clean, timeout=60, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "a-token-of" not in done.stderr
    assert "Traceback" not in done.stderr


def test_without_its_extra_it_prints_how_to_get_it(tmp_path):
    """The collector does not start without the extra, because the dashboard was requested."""
    (tmp_path / "jinja2.py").write_text("raise ImportError\n")
    (tmp_path / "c.yaml").write_text(config())
    source = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from otel_fe import cli; sys.exit(cli.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", source, "collector", "--config", tmp_path / "c.yaml", "--admin-endpoint", "none"]
    done = subprocess.run(
        [*command, "--store", tmp_path / "store", "--dashboard", "localhost:0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'otel-fe[dashboard]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_of_a_receiver_that_is_taken_leaves_no_dashboard(tmp_path):
    """The dashboard was up already: it ends with the collector that could not start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file = tmp_path / "taken.yaml"
        port = taken.getsockname()[1]
        file.write_text(config().replace('grpc: {endpoint: "localhost:0"}', f'grpc: {{endpoint: "localhost:{port}"}}'))
        process = Process(file, "--store", str(tmp_path / "store"), "--dashboard", "localhost:0", wait=False)
        left = until(lambda: child(process), 30)
        assert process.process.wait(60) == 1
        process.log_file.close()
        assert not left.is_running()


def test_extractions_are_counted_without_a_metrics_pipeline(tmp_path):
    """The overview is made of counts: with a store they are made, whether or not metrics go anywhere else."""
    text = config()
    kept = [
        line
        for line in text.splitlines()
        if not line.strip().startswith(("metrics:", "traces/counted:", "span_metrics:"))
    ]
    text = "\n".join(line for line in kept if line.strip() != "connectors:")
    with running(tmp_path, text, "--store", str(tmp_path / "store")) as collector:
        send(collector.grpc, 1, 2, 3, spans=1, name="feature_extraction shop")
        collector.stop()
    with closing(StoreReader(tmp_path / "store")) as reader:
        assert reader.sums.good_and_total("latency", 0, 2**62) == (3, 3)
