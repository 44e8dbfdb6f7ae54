"""Interleaved rounds: every variant once per round, each in a fresh process, so that drift hits all alike."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench.bed import BIN, REPOSITORY, clean_environment
from tests.bench.received import check
from tests.bench.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.bed import Bed

CHILD_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way of loading the service."""

    name: str
    load: str
    """As in `child.Order`."""
    variants: tuple[str, ...]
    count: int
    """Extractions per process; a multiple of 40: eight threads share them, SQL in one of five."""
    warm_up: int


def run_child(bed: Bed, scenario: Scenario, name: str, *, profile: bool = False) -> dict[str, Any]:
    """Run one variant in a process of its own; return its figures and what the receiver got, checked."""
    order = {
        "variant": name,
        "load": scenario.load,
        "warm_up": scenario.warm_up,
        "count": scenario.count,
        "socket": bed.socket,
        "database": bed.database,
        "endpoint": bed.endpoint,
        "profile": profile,
    }
    command = [sys.executable, "-m", "tests.bench.child", json.dumps(order)]
    if VARIANTS[name].launcher:
        command.insert(0, str(BIN / "opentelemetry-instrument"))
    bed.take()
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=child_environment(bed.endpoint, launcher=VARIANTS[name].launcher),
        stdout=subprocess.PIPE,
        stderr=None if profile else subprocess.PIPE,
        text=True,
        timeout=CHILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0 or not done.stdout.strip():
        sys.exit(f"bench: {scenario.name} {name} ended with {done.returncode}\n{_tail(done.stderr)}")
    figures = json.loads(done.stdout.splitlines()[-1])
    figures["received"] = bed.take()
    problems = check(VARIANTS[name], scenario.load, scenario.warm_up + scenario.count, figures["received"])
    if problems:
        sys.exit(
            f"bench: {scenario.name} {name} exported wrongly:\n  " + "\n  ".join(problems) + f"\n{_tail(done.stderr)}"
        )
    return figures


def _tail(output: str | None) -> str:
    return "\n".join((output or "").splitlines()[-12:])


def child_environment(endpoint: str, *, launcher: bool) -> dict[str, str]:
    """Return the environment of a measured process; only the launched one is configured by it."""
    environment = clean_environment()
    # nothing may be dropped: all of a run fits in the queue
    environment["OTEL_BSP_MAX_QUEUE_SIZE"] = "1000000"
    environment["OTEL_SERVICE_NAME"] = "bench"
    if launcher:
        extract = "tests.bench.workload:{0}.extract=user_profile"
        environment |= {
            "OTEL_FE_TARGETS": ",".join(map(extract.format, ("Service", "LookupsService", "AsyncService"))),
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        }
    return environment


def run_rounds(bed: Bed, scenario: Scenario, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Run every variant of `scenario` once per round; return their figures in order."""
    figures: dict[str, list[dict[str, Any]]] = {name: [] for name in scenario.variants}
    for number in range(rounds):
        for name in scenario.variants:
            note(f"{scenario.name}: round {number + 1} of {rounds}, {name}")
            figures[name].append(run_child(bed, scenario, name))
    note("")
    return figures


def note(text: str) -> None:
    """Show progress on a terminal, on one line that the next replaces."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the rounds."""

    middle: float
    """The median."""
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one value."""
        return cls(median(values), min(values), max(values))

    def text(self, digits: int = 2) -> str:
        """Return `median (low to high)`."""
        return f"{self.middle:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


def added_cost(figures: dict[str, list[dict[str, Any]]], name: str) -> Spread:
    """Return what `name` adds to bare, µs of CPU per extraction, round by round."""
    pairs = zip(figures[name], figures["bare"], strict=True)
    return Spread.of([one["cpu_us"] - bare["cpu_us"] for one, bare in pairs])


def cost_ratio(figures: dict[str, list[dict[str, Any]]], name: str) -> Spread:
    """Return what `name` adds over what stock adds, round by round."""
    threes = zip(figures[name], figures["bare"], figures["stock"], strict=True)
    return Spread.of([(one["cpu_us"] - b["cpu_us"]) / (stock["cpu_us"] - b["cpu_us"]) for one, b, stock in threes])
