"""Every rendered file is accepted by the tool that reads it, where that can be had; README.md names those that were not run."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from tests.real.collector import built_collector
from tests.real.compose import compose
from tests.real.grafana_types import REQUIREMENT
from tests.real.jaeger import built_jaeger
from tests.real.kubernetes import api_server
from tests.real.prometheus import program, promtool
from tests.real.tier import FOLDER, MANIFEST
from tests.unit.render.test_grafana import filled_in
from tests.venvs import Environment

GRAFANA_TYPES = Environment("grafana-types", (REQUIREMENT,))
pytestmark = pytest.mark.timeout(400)


def collector(*arguments):
    """Run the Collector that the rendered manifest makes."""
    command = [built_collector(MANIFEST), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["agent.yaml", "sampler.yaml"])
def test_the_collector_takes_its_settings(name):
    """The `validate` of a Collector that is built from the rendered manifest accepts the settings, so it has their components."""
    done = collector("validate", "--config", FOLDER / name)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("tier", ["agent", "sampler"])
def test_the_collector_takes_what_kubernetes_mounts(tier, tmp_path):
    """The settings inside a ConfigMap."""
    documents = list(yaml.safe_load_all((FOLDER / "kubernetes" / f"{tier}.yaml").read_text()))
    (text,) = [one["data"]["config.yaml"] for one in documents if one["kind"] == "ConfigMap"]
    (tmp_path / "config.yaml").write_text(text)
    done = collector("validate", "--config", tmp_path / "config.yaml")
    assert done.returncode == 0, done.stderr
    assert (text == (FOLDER / "sampler.yaml").read_text()) == (tier == "sampler")


def test_the_collector_refuses_what_is_wrong(tmp_path):
    """`validate` looks at more than the YAML, or the tests above would say nothing."""
    wrong = (FOLDER / "sampler.yaml").read_text().replace("span.name,", "span.nam,", 1)
    (tmp_path / "wrong.yaml").write_text(wrong)
    assert "span.nam" in collector("validate", "--config", tmp_path / "wrong.yaml").stderr


def test_prometheus_takes_its_settings_and_rules():
    """`promtool check config` reads the rule files that the settings name, too."""
    done = promtool("check", "config", FOLDER / "prometheus" / "prometheus.yaml")
    assert done.returncode == 0, done.stderr
    assert "2 rule files found" in done.stdout


def test_the_first_loss_of_a_fleet_is_alerted_on(tmp_path):
    """The first loss fires although its counter did not exist before; old losses and an absent Collector do not fire."""
    series = [
        ('otelcol_exporter_send_failed_spans{job="a", instance="new"}', "_x10 3x40"),
        ('otelcol_exporter_send_failed_spans_total{job="a", instance="rising"}', "3x10 5x40"),
        ('otelcol_exporter_send_failed_spans{job="a", instance="away"}', "3x10 _x8 3x40"),
        ('otelcol_deltatocumulative_datapoints{job="a", instance="counts"}', "0+9x60"),
        ('otelcol_deltatocumulative_datapoints{job="a", instance="counts", error="out_of_order"}', "_x10 4x40"),
    ]
    firing = [("FleetFailedToSend", "new"), ("FleetFailedToSend", "rising"), ("FleetLostCounts", "counts")]
    tests = [
        {
            "expr": "count by (alertname, instance) (ALERTS)",
            "eval_time": time,
            "exp_samples": [
                {"labels": f'{{alertname="{name}", instance="{instance}"}}', "value": 1} for name, instance in expected
            ],
        }
        for time, expected in (("9m", []), ("13m", firing), ("24m", []))
    ]
    document = {
        "rule_files": [str(FOLDER / "prometheus" / "fleet.rules.yaml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series],
                "promql_expr_test": tests,
            }
        ],
    }
    (tmp_path / "tests.yaml").write_text(json.dumps(document))
    done = promtool("test", "rules", tmp_path / "tests.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_alertmanager_takes_its_routes():
    """`amtool check-config`, and a page and a ticket go where they should."""
    file = FOLDER / "alertmanager.yaml"
    done = subprocess.run([program("amtool"), "check-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for severity in ("page", "ticket"):
        command = [program("amtool"), "config", "routes", "test", f"--config.file={file}", f"severity={severity}"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == severity


def test_jaeger_takes_its_settings():
    """Jaeger's own `validate` accepts the rendered settings."""
    command = [built_jaeger(), "validate", "--config", FOLDER / "jaeger.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_expression_of_a_dashboard_is_promql(tmp_path):
    """`promtool` parses it, once Grafana's variables stand for something."""
    expressions = [
        target["expr"]
        for file in sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
        for panel in json.loads(file.read_text())["panels"]
        for target in panel["targets"]
    ]
    rules = [
        {
            "record": f"r:{number}",
            "expr": filled_in(one),
        }
        for number, one in enumerate(expressions)
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    done = promtool("check", "rules", tmp_path / "rules.yaml")
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout
    assert len(rules) > 20


def created(folder):
    """Create all objects in a cluster, in kubectl's order; return what it answered, by kind and name."""
    with api_server(folder) as cluster:
        return {
            (made["kind"], made["metadata"]["name"]): cluster.create(made)
            for file in sorted((FOLDER / "kubernetes").iterdir())
            for made in yaml.safe_load_all(file.read_text())
        }


def test_kubernetes_takes_its_objects(tmp_path):
    """A real API server stores each, strictly and without a warning."""
    answers = created(tmp_path)
    assert len(answers) == 1 + 2 * 4
    assert set(answers.values()) == {(201, "")}, answers


def test_kubernetes_refuses_what_is_wrong(tmp_path):
    """A mistyped key, and what no schema knows: labels that a selector does not select."""
    *_, made = yaml.safe_load_all((FOLDER / "kubernetes" / "sampler.yaml").read_text())
    mistyped = {**made, "spec": {**made["spec"], "replica": 2}}
    apart = {**made, "spec": {**made["spec"], "selector": {"matchLabels": {"a": "b"}}}}
    namespace = yaml.safe_load((FOLDER / "kubernetes" / "00-namespace.yaml").read_text())
    with api_server(tmp_path) as cluster:
        assert cluster.create(namespace)[0] == 201
        assert 'unknown field \\"spec.replica\\"' in cluster.create(mistyped)[1]
        assert "`selector` does not match template `labels`" in cluster.create(apart)[1]


def test_compose_takes_its_file():
    """`docker compose config`, with every service, those of profiles too."""
    done = compose(FOLDER / "compose.yaml", "--profile", "tempo", "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    services = json.loads(done.stdout)["services"]
    assert services.keys() == yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"].keys()
    reachable = [port for one in services.values() for port in one.get("ports", ())]
    assert {port["host_ip"] for port in reachable} == {"127.0.0.1"}


def test_compose_refuses_what_is_wrong(tmp_path):
    """A mistyped key."""
    text = (FOLDER / "compose.yaml").read_text()
    (tmp_path / "compose.yaml").write_text(text.replace("command:", "comand:"))
    assert "comand" in compose(tmp_path / "compose.yaml", "config").stderr


def unknown_to_grafana(folder):
    """Return, by dashboard, what Grafana's published types do not know."""
    command = [GRAFANA_TYPES.python(), FOLDER.parent / "tests" / "real" / "grafana_types.py", folder]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_dashboards_keep_to_grafana_s_types():
    """Dashboards are checked against Grafana's types, since no Grafana runs here."""
    found = unknown_to_grafana(FOLDER / "grafana" / "dashboards")
    assert len(found) == 5
    assert not {name: wrong for name, wrong in found.items() if wrong}


def test_grafana_s_types_know_what_is_wrong(tmp_path):
    """A mistyped key, or the test above would say nothing."""
    text = (FOLDER / "grafana" / "dashboards" / "slo-latency.json").read_text()
    (tmp_path / "slo-latency.json").write_text(text.replace('"gridPos"', '"gridPosition"'))
    assert all(unknown_to_grafana(tmp_path).values())


def test_kubernetes_objects_fit_together():
    """References that the API server does not check hold: services select the pods, and agents use the sampler service's name."""
    for file in (FOLDER / "kubernetes" / "agent.yaml", FOLDER / "kubernetes" / "sampler.yaml"):
        by_kind = {one["kind"]: one for one in yaml.safe_load_all(file.read_text())}
        assert set(by_kind) == {"ConfigMap", "Service", "PodDisruptionBudget", "StatefulSet"}
        spec = by_kind["StatefulSet"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"] == labels == by_kind["Service"]["spec"]["selector"]
        assert by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        volumes = {one["name"] for one in (*pod["volumes"], *(one["metadata"] for one in spec["volumeClaimTemplates"]))}
        assert {one["name"] for one in container["volumeMounts"]} == volumes
        assert pod["volumes"][0]["configMap"]["name"] == by_kind["ConfigMap"]["metadata"]["name"]
        assert [one["port"] for one in by_kind["Service"]["spec"]["ports"]] == [
            one["containerPort"] for one in container["ports"]
        ]
        assert spec["serviceName"] == by_kind["Service"]["metadata"]["name"]
    config = (FOLDER / "kubernetes" / "agent.yaml").read_text()
    service = by_kind["Service"]["metadata"]
    assert f"{service['name']}.{service['namespace']}.svc.cluster.local" in config
    assert by_kind["Service"]["spec"]["clusterIP"] == "None"


def test_compose_mounts_what_there_is():
    """Each file that a service mounts is in the folder, and each volume is declared."""
    file = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    for name, service in file["services"].items():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            assert (FOLDER / source).exists() if source.startswith("./") else source in file["volumes"], name
