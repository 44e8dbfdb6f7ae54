"""A policy becomes a fleet's files, or is refused with the keys and lines that a fleet would decide otherwise by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from otel_fe.cli import main
from otel_fe.config.openslo import default_slos
from otel_fe.config.problems import InvalidConfigError
from otel_fe.pipeline.requirement_slos import REQUIREMENTS
from otel_fe.render.collector import collector_files
from otel_fe.render.collector_sampler import GATES
from otel_fe.render.fleet import read_fleet
from otel_fe.render.yaml_file import Folded, write_yaml
from otel_fe.requirements import LATENCY_LIMIT_NS

FOLDER = Path(__file__).parents[3] / "collector_config"
POLICY = (FOLDER / "policy.yaml").read_text()
BY_HAND = {"policy.yaml", "README.md"}
BASELINE = "- {name: baseline, type: probabilistic, probabilistic: {sampling_percentage: 5}}"


def fleet(text=POLICY):
    """Return what is read of a policy file."""
    return read_fleet(text, "policy.yaml", {}, default_slos())


def problems(old, new):
    """Return what is said about the policy after a change, with the line's own text in place of its number."""
    changed = POLICY.replace(old, new)
    assert changed != POLICY
    with pytest.raises(InvalidConfigError) as caught:
        fleet(changed)
    lines = changed.splitlines()
    return [(lines[one.position.line - 1].strip(), one.key, one.wanted) for one in caught.value.problems]


def test_the_committed_files_are_those_of_the_policy():
    """`otel-fe render collector --out collector_config` would change nothing, and there is no other file."""
    rendered = collector_files(fleet())
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert there - BY_HAND == rendered.keys()
    for name, text in rendered.items():
        assert (FOLDER / name).read_text() == text, name


def test_samplers_decide_by_the_policy_itself():
    """The processor's settings are those of the file; counting has no exemplars but of what is kept."""
    policy = yaml.safe_load(POLICY)
    sampler = yaml.safe_load(collector_files(fleet())["sampler.yaml"])
    assert sampler["processors"]["tail_sampling"] == policy["processors"]["tail_sampling"]
    counted = policy["connectors"]["span_metrics"]
    assert sampler["connectors"]["span_metrics/kept"] == {**counted, "namespace": "traces.span.metrics.kept"}
    assert sampler["connectors"]["span_metrics"] == {key: counted[key] for key in counted if key != "exemplars"}
    pipelines = sampler["service"]["pipelines"]
    assert pipelines["traces/count"]["processors"] == ["batch"]
    assert pipelines["traces/sample"]["exporters"] == ["otlp_grpc/traces", "span_metrics/kept"]


def test_samplers_are_started_with_the_gates_that_weights_need():
    """Samplers get the feature gates in Compose and in Kubernetes, and agents get none."""
    files = collector_files(fleet())
    compose = yaml.safe_load(files["compose.yaml"])["services"]
    commands = {name: one["command"] for name, one in compose.items() if "otelcol" in str(one.get("command"))}
    for tier in ("agent", "sampler"):
        *_, pods = yaml.safe_load_all(files[f"kubernetes/{tier}.yaml"])
        commands[f"{tier} pod"] = pods["spec"]["template"]["spec"]["containers"][0]["args"]
    assert len(commands) == 5
    assert all((GATES in command) == name.startswith("sampler") for name, command in commands.items())
    assert f"# {GATES}\n" in files["sampler.yaml"]


def test_without_exemplars_kept_traces_are_not_counted_apart():
    """Kept traces have no counter of their own without exemplars, and the dashboard has no panel for it."""
    files = collector_files(
        fleet(POLICY.replace("exemplars: {enabled: true, max_per_data_point: 5}", "exemplars: {enabled: false}"))
    )
    assert "kept" not in files["sampler.yaml"].replace("kept. ", "")
    assert '"exemplar": true' not in files["grafana/dashboards/extractions.json"]


def test_dollars_stay_dollars():
    """The Collector would replace what follows a single one."""
    pattern = "string_attribute: {key: k, values: ['^a$$'], enabled_regex_matching: true}"
    text = POLICY.replace(BASELINE, f"- {{name: pattern, type: string_attribute, {pattern}}}")
    policies = yaml.safe_load(collector_files(fleet(text))["sampler.yaml"])["processors"]["tail_sampling"]["policies"]
    assert policies[-1]["string_attribute"]["values"] == ["^a$$"]


def test_every_requirement_is_counted_on_the_samplers():
    """Good and bad ones, from the same bound as in the process; and a bad series begins at 0, so that its first event is an increase."""
    connectors = yaml.safe_load(collector_files(fleet())["sampler.yaml"])["connectors"]
    events = [one for one in connectors["signal_to_metrics"]["spans"] if one["name"] == "feature_extraction.slo.events"]
    found = [
        (*(one["default_value"] for one in each["attributes"][:2]), each["sum"]["value"], each["conditions"])
        for each in events
    ]
    assert [one[:3] for one in found] == [
        (slo.name, *kind) for slo in REQUIREMENTS for kind in ((True, "1"), (False, "0"), (False, "1"))
    ]
    for (_, _, _, good), (_, _, _, none), (_, _, _, bad) in zip(*[iter(found)] * 3, strict=True):
        assert good == none != bad
    assert f"< {LATENCY_LIMIT_NS}" in found[0][3][0]


EACH = "every sampler of a fleet would have a limit of its own"


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "wanted"),
    [
        (
            BASELINE,
            "- name: rate\n        type: rate_limiting\n        rate_limiting: {spans_per_second: 5}",
            "type: rate_limiting",
            "policies[3]::type",
            EACH,
        ),
        (
            BASELINE,
            (
                "- name: c\n        type: composite\n        composite: {max_total_spans_per_second: 9, composite_sub_policy: "
                "[{name: all, type: always_sample}]}"
            ),
            "type: composite",
            "policies[3]::type",
            EACH,
        ),
        (
            BASELINE,
            (
                "- name: both\n        type: and\n        and:\n          and_sub_policy:\n            - name: b\n"
                "              type: bytes_limiting\n              bytes_limiting: {bytes_per_second: 5}"
            ),
            "type: bytes_limiting",
            "policies[3]::and::and_sub_policy[0]::type",
            EACH,
        ),
        (
            "{threshold_ms: 99}",
            "{threshold_ms: 99,\n          upper_threshold_ms: 500}",
            "upper_threshold_ms: 500}}",
            "policies[1]::latency::upper_threshold_ms",
            "the order in which spans arrive decides",
        ),
        (
            BASELINE,
            (
                "- name: others\n        type: not\n        not:\n          not_sub_policy:\n"
                "            {name: few, type: probabilistic, probabilistic: {sampling_percentage: 5}}"
            ),
            "not_sub_policy:",
            "policies[3]::not::not_sub_policy",
            "the complement of a share",
        ),
        (
            BASELINE,
            (
                f"{BASELINE}\n      - name: other\n        type: probabilistic\n        probabilistic:\n"
                "          sampling_percentage: 1\n          hash_salt: other"
            ),
            "hash_salt: other",
            "policies[4]::probabilistic::hash_salt",
            "use one salt",
        ),
        (
            "block_on_overflow: true",
            "block_on_overflow: true\n    sample_on_first_match: true",
            "sample_on_first_match: true",
            "sample_on_first_match",
            "weighs a trace by its first policy",
        ),
        (
            "block_on_overflow: true",
            "block_on_overflow: false",
            "block_on_overflow: false",
            "block_on_overflow",
            "forgets its oldest traces",
        ),
        (
            "sampled_cache_size: 200000, ",
            "",
            "decision_cache: {non_sampled_cache_size: 1000000}",
            "decision_cache",
            "sampled_cache_size: the Collector decides late spans anew",
        ),
    ],
)
def test_what_a_fleet_would_decide_otherwise_is_refused(old, new, line, key, wanted):
    """The only problem is that of the setting, with its key and line."""
    ((at, found, said),) = problems(old, new)
    assert at == line
    assert found == f"processors::tail_sampling::{key}"
    assert wanted in said


def test_delta_metrics_are_refused():
    """Prometheus would refuse them, one by one, for ever."""
    ((line, key, said),) = problems(
        "metrics_flush_interval: 15s", "aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA"
    )
    assert line.startswith("aggregation_temporality")
    assert key == "connectors::span_metrics::aggregation_temporality"
    assert "cumulative" in said


SAMPLED = "traces: {receivers: [otlp], processors: [tail_sampling], exporters: [otlp_grpc]}"


@pytest.mark.parametrize(
    ("new", "exporter", "wanted"),
    [
        (
            SAMPLED.replace("[otlp_grpc]", "[otlp_grpc, span_metrics]"),
            "exporters[1]: span_metrics",
            "counts every span",
        ),
        (SAMPLED.replace("processors: [tail_sampling], ", ""), "exporters[0]: otlp_grpc", "exports kept traces only"),
    ],
)
def test_pipelines_that_a_fleet_does_not_have_are_refused(new, exporter, wanted):
    """Pipelines that count kept traces, or export ones that are not kept, are refused."""
    text = POLICY.replace(SAMPLED, new)
    with pytest.raises(InvalidConfigError) as caught:
        fleet(text)
    (problem,) = caught.value.problems
    assert f"{problem.key}: {problem.value}" == f"service::pipelines::traces::{exporter}"
    assert wanted in problem.wanted


def test_what_a_fleet_does_not_take_over_is_said():
    """Headers of the exporter, which may well be what lets spans in; a value is a secret and not shown."""
    found = fleet(POLICY.replace("tls: {insecure: true}", "headers: {api-key: secret}")).warnings
    (warning,) = [one for one in found if one.key == "exporters::otlp_grpc::headers"]
    assert "sampler.yaml" in warning.wanted
    assert warning.value is None
    assert not fleet().warnings


def test_histograms_that_prometheus_is_not_told_to_take_are_refused():
    """Whose buckets would be missed by every query."""
    ((_, key, said),) = problems(
        "explicit: {buckets: [5ms, 10ms, 25ms, 50ms, 75ms, 100ms, 250ms, 500ms, 1s, 2.5s, 5s, 10s]}",
        "exponential: {max_size: 160}",
    )
    assert key == "connectors::span_metrics::histogram::exponential"
    assert "use explicit" in said


@pytest.mark.parametrize(
    ("namespace", "kept", "panel"),
    [('"$shop-a.b"', "$$shop-a.b.kept", "_shop_a_b_kept_duration"), ('""', "kept", "kept_duration")],
)
def test_kept_traces_are_counted_in_a_namespace_beside_that_of_all(namespace, kept, panel):
    """Whose name the dashboard knows as Prometheus has it."""
    files = collector_files(fleet(POLICY.replace("exemplars:", f"namespace: {namespace}\n    exemplars:")))
    assert yaml.safe_load(files["sampler.yaml"])["connectors"]["span_metrics/kept"]["namespace"] == kept
    assert f"({panel}_seconds_bucket" in files["grafana/dashboards/extractions.json"]


def test_one_policy_and_one_counter():
    """A second tail sampling processor in the file is an error."""
    ((_, key, said),) = problems(
        "\n  tail_sampling:", "\n  tail_sampling/b: {policies: [{name: a, type: always_sample}]}\n  tail_sampling:"
    )
    assert key == "processors::tail_sampling"
    assert "tail_sampling/b is there already" in said


def test_the_command(tmp_path, capsys):
    """Writes the folder, or prints the samplers' settings; refusals go to stderr and leave nothing behind."""
    policy = str(FOLDER / "policy.yaml")
    assert main(["render", "collector", "--config", policy, "--out", str(tmp_path / "out")]) == 0
    written = capsys.readouterr().out.splitlines()
    assert {str(path) for path in (tmp_path / "out").rglob("*") if path.is_file()} == set(written)
    assert main(["render", "collector", "--config", policy]) == 0
    assert capsys.readouterr().out == (FOLDER / "sampler.yaml").read_text()
    own = tmp_path / "own.yaml"
    own.write_text(POLICY.replace("block_on_overflow: true", "block_on_overflow: false"))
    assert main(["render", "collector", "--config", str(own), "--out", str(tmp_path / "none")]) == 1
    assert f"{own}:17:5: processors::tail_sampling::block_on_overflow: false" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_yaml_reads_as_what_was_written():
    """Whatever needs quotes has them."""
    value = {
        "text": ["a: b", "yes", "null", "10", "1e3", "", " ", "#", "it's \"both\"", 'only "double"', "a\nb", "10s", "x.y/z", "$$", "é", "0x1f", "12:30:45"],
        "numbers": [1, 1.5, True, None, 0.0001, 10000.0],
        "empty": [{}, []],
        "nested": [{"a": [{"b": {"c": [1]}}], "d": {}}, [["x"], []]],
        "block": Folded("one\n  two\n\nthree\n"),
        "list": [{"block": Folded("a\nb\n")}, {"one": 1}, {"one": 1, "two": "x" * 120}],
    }  # fmt: skip
    assert yaml.safe_load(write_yaml(value, ["a comment", ""])) == value


def test_dashboards_have_what_grafana_needs():
    """Unique ids, places that do not overlap, queries on metrics that are recorded, and one dashboard a requirement."""
    files = {name: json.loads(text) for name, text in collector_files(fleet()).items() if name.endswith(".json")}
    assert {name for name in files if "slo-" in name} == {
        f"grafana/dashboards/slo-{one.name}.json" for one in REQUIREMENTS
    }
    assert len({one["uid"] for one in files.values()}) == len(files)
    for board in files.values():
        places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in board["panels"]]
        assert len(set(places)) == len(places) > 0
        assert len({one["id"] for one in board["panels"]}) == len(places)
        for panel in board["panels"]:
            assert panel["targets"]
            assert all(one["datasource"]["uid"] == "prometheus" and one["expr"] for one in panel["targets"])
    sources = yaml.safe_load(collector_files(fleet())["grafana/provisioning/datasources/otel_fe.yaml"])["datasources"]
    opens = sources[0]["jsonData"]["exemplarTraceIdDestinations"]
    assert [one["datasourceUid"] for one in opens] == [sources[1]["uid"]]
