"""Every rendered file is accepted by the tool that reads it, where that can be had; README.md names those that were not run."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from tests.integration.conftest import missing
from tests.real.collector import built_collector
from tests.real.file_schemas import REQUIREMENTS
from tests.real.fleet import FOLDER, MANIFEST
from tests.real.jaeger import built_jaeger
from tests.real.prometheus import program, promtool
from tests.venvs import environment

# The first run on a machine builds the Collector and Jaeger.
pytestmark = pytest.mark.timeout(1500)


def collector(*arguments):
    """Run the Collector that the rendered manifest makes."""
    command = [built_collector(MANIFEST), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["agent.yaml", "sampler.yaml"])
def test_the_collector_takes_its_settings(name):
    """By its own `validate`; built of the rendered manifest, so that it has every component that they name."""
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


def test_alertmanager_takes_its_routes():
    """`amtool check-config`, and a page and a ticket go where they should."""
    file = FOLDER / "alertmanager.yaml"
    done = subprocess.run([program("amtool"), "check-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for severity in ("page", "ticket"):
        command = [program("amtool"), "config", "routes", "test", f"--config.file={file}", f"severity={severity}"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == severity


def test_jaeger_takes_its_settings():
    """By its own `validate`."""
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
            "expr": one.replace("$__rate_interval", "1m").replace("$job", "a").replace("$set", "b"),
        }
        for number, one in enumerate(expressions)
    ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    done = promtool("check", "rules", tmp_path / "rules.yaml")
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout
    assert len(rules) > 20


def by_schema(folder):
    """Return, by file, what published schemas say against it."""
    try:
        python = environment("file-schemas", *REQUIREMENTS)
    except AssertionError as fault:
        missing(f"the schemas of Kubernetes, compose and Grafana ({fault})")
        raise
    command = [python, FOLDER.parent / "tests" / "real" / "file_schemas.py", folder]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_files_whose_tools_cannot_be_had_keep_to_their_schemas():
    """Kubernetes's, strictly; the compose specification's; Grafana's types of dashboards."""
    found = by_schema(FOLDER)
    assert len(found) == 3 + 1 + 5
    assert not {name: wrong for name, wrong in found.items() if wrong}


def test_the_schemas_refuse_what_is_wrong(tmp_path):
    """A mistyped key in each, or the test above would say nothing."""
    for name, right, wrong in (
        ("kubernetes/sampler.yaml", "replicas:", "replica:"),
        ("compose.yaml", "command:", "comand:"),
        ("grafana/dashboards/slo-latency.json", '"gridPos"', '"gridPosition"'),
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        text = (FOLDER / name).read_text()
        assert right in text
        file.write_text(text.replace(right, wrong))
    assert all(by_schema(tmp_path).values())


def test_kubernetes_objects_fit_together():
    """Selectors select their own pods, every mount has a volume and every volume is there, and ports have one name each."""
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
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            assert (FOLDER / source).exists() if source.startswith("./") else source in compose["volumes"], name
        assert set(service.get("depends_on", ())) <= compose["services"].keys()
