"""`otel-fe render`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otel_fe.alerting.origin import Origin
from otel_fe.config.openslo import read_openslo_file
from otel_fe.config.text_file import read_text_file
from otel_fe.render.collector import collector_files
from otel_fe.render.fleet import read_fleet
from otel_fe.render.prometheus import FILE, prometheus_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_fe.config.problems import Problem


def render_prometheus(
    slo_file: str | None, folder: str | None, environ: Mapping[str, str]
) -> tuple[str, tuple[Problem, ...]]:
    """Write Prometheus's rules for SLOs into a folder, which is made where it is not there.

    Args:
        slo_file: OpenSLO documents; None for the four requirements.
        folder: None to write nothing.
        environ: The values of `${env:NAME}` in the documents.

    Returns:
        What to print, the path of what was written or else the rules themselves; and what the documents warn of.

    Raises:
        OSError: A file cannot be read or written.
        ConfigurationError: The documents cannot be used.
        MissingExtraError: PyYAML is not installed.
    """
    found = read_openslo_file(slo_file, environ)
    rules = prometheus_rules(found.slos, _origin(environ))
    if folder is None:
        return rules.removesuffix("\n"), found.warnings
    path = Path(folder) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rules, encoding="utf-8")
    return str(path), found.warnings


def _origin(environ: Mapping[str, str]) -> Origin:
    return Origin(page=environ.get("OTEL_FE_PAGE_URL", ""), runbook=environ.get("OTEL_FE_RUNBOOK_URL", ""))


def render_collector(
    policy_file: str, slo_file: str | None, folder: str | None, environ: Mapping[str, str]
) -> tuple[str, tuple[Problem, ...]]:
    """Write every file of a fleet of Collectors into a folder, which is made where it is not there.

    Args:
        policy_file: A Collector configuration with one `tail_sampling` and one `span_metrics`.
        slo_file: OpenSLO documents; None for the four requirements.
        folder: None to write nothing.
        environ: The values of `${env:NAME}` in the files.

    Returns:
        What to print: the paths of what was written, or else the samplers' configuration; and what the files warn of.

    Raises:
        OSError: A file cannot be read or written.
        ConfigurationError: The settings cannot be used, or a fleet would decide differently.
        MissingExtraError: PyYAML is not installed.
    """
    slos = read_openslo_file(slo_file, environ)
    fleet = read_fleet(read_text_file(policy_file), policy_file, environ, slos.slos)
    rendered = collector_files(fleet, _origin(environ))
    warnings = (*fleet.warnings, *slos.warnings)
    if folder is None:
        return rendered["sampler.yaml"].removesuffix("\n"), warnings
    paths = [Path(folder) / name for name in rendered]
    for path, content in zip(paths, rendered.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return "\n".join(map(str, paths)), warnings
