"""`python -m tests.bench [names…]`: run the benchmarks and say which goals are met."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from typing import Any

from tests.bench import report
from tests.bench.bed import Bed
from tests.bench.capacity import run_capacity
from tests.bench.collectors import run_collectors
from tests.bench.dashboard import run_dashboard
from tests.bench.engine import run_engine
from tests.bench.fleet import Plan, run_fleet
from tests.bench.fleet_cells import DEFAULT_CELLS, SMOKE_CELLS, chosen
from tests.bench.forecast import budget_table, run_budgets, run_forecast
from tests.bench.forecast import goals as forecast_goals
from tests.bench.forecast import table as forecast_table
from tests.bench.memory import run_memory
from tests.bench.rounds import Scenario, run_child, run_rounds
from tests.bench.startup import MINIMUM_ROUNDS, run_startup
from tests.bench.store import run_store
from tests.bench.variants import VARIANTS
from tests.bench.watcher import goals as watcher_goals
from tests.bench.watcher import run_watcher
from tests.bench.watcher import table as watcher_table

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("extraction", "serial", tuple(VARIANTS), count=10_000, warm_up=1_000),
        Scenario("lookups", "lookups", ("bare", "noop", "stock", "otel_fe"), count=4_000, warm_up=800),
        Scenario("threads", "threads", ("bare", "stock", "otel_fe"), count=10_000, warm_up=1_000),
        Scenario("tasks", "tasks", ("bare", "stock", "otel_fe"), count=4_000, warm_up=1_000),
    )
}
NAMES = (
    *SCENARIOS,
    "startup",
    "memory",
    "engine",
    "collectors",
    "fleet",
    "store",
    "dashboard",
    "capacity",
    "forecast",
    "watcher",
)
APPLICATIONS = ("extraction", "lookups", "tasks")
"""Those whose median says what an application pays: one look-up each, ten each, and an asyncio service."""
_QUICK_COUNTS = {"serial": 2_000, "lookups": 800, "threads": 2_000, "tasks": 2_000}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which: {', '.join(NAMES)}; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per benchmark (default 5)")
    parser.add_argument("--variants", help="only these, by commas; bare and stock are always among them")
    parser.add_argument("--quick", action="store_true", help="few rounds, few calls: shows that it runs")
    parser.add_argument(
        "--cells",
        metavar="PATTERNS",
        help="of `fleet`: names or patterns by commas, SHAPE/POLICIES/STORE/WORKERS/REQUEST/LOAD (tests/bench/README.md)",
    )
    parser.add_argument("--duration", type=float, default=20.0, metavar="S", help="of `fleet`: how long is sent")
    parser.add_argument("--decision-wait", type=float, default=30.0, metavar="S", help="of `fleet`, at both sides")
    parser.add_argument(
        "--smoke", action="store_true", help="of `fleet`: a few seconds a cell, once: shows that it runs"
    )
    parser.add_argument("--json", action="store_true", help="every figure of every round as JSON, on stdout")
    parser.add_argument("--profile", metavar="VARIANT", choices=VARIANTS, help="profile one variant instead")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NAMES]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; use {', '.join(NAMES)}")
    if arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    arguments.names = arguments.names or list(NAMES)
    arguments.smoke = arguments.smoke or arguments.quick
    try:
        arguments.cells = chosen(arguments.cells or (SMOKE_CELLS if arguments.smoke else DEFAULT_CELLS))
    except ValueError as error:
        parser.error(str(error))
    if arguments.variants:
        arguments.variants = {"bare", "stock", *arguments.variants.split(",")}
        if arguments.variants - set(VARIANTS):
            parser.error(f"no such variant: {', '.join(arguments.variants - set(VARIANTS))}")
    return arguments


def _scenario(name: str, arguments: argparse.Namespace) -> Scenario:
    scenario = SCENARIOS[name]
    if arguments.variants:
        chosen = tuple(variant for variant in scenario.variants if variant in arguments.variants)
        scenario = replace(scenario, variants=chosen)
    if arguments.quick:
        scenario = replace(scenario, count=_QUICK_COUNTS[scenario.load], warm_up=400)
    return scenario


def _plain(value: Any) -> Any:
    return asdict(value)


def main() -> None:
    """Run what was asked for."""
    arguments = _arguments()
    rounds = 2 if arguments.quick else arguments.rounds
    everything: dict[str, Any] = {"machine": report.machine(), "rounds": rounds, "quick": arguments.quick}
    out = sys.stderr if arguments.json else sys.stdout
    print(everything["machine"], file=out)
    if arguments.quick or (arguments.smoke and "fleet" in arguments.names):
        print("quick: shows that it runs, measures nothing", file=out)
    goals: list[report.Goal] = []
    with Bed() as bed:
        if arguments.profile:
            name = next((name for name in arguments.names if name in SCENARIOS), "extraction")
            run_child(bed, _scenario(name, arguments), arguments.profile, profile=True)
            return
        for name in arguments.names:
            if name in SCENARIOS:
                figures = run_rounds(bed, _scenario(name, arguments), rounds)
                table, goal = report.scenario(SCENARIOS[name], figures)
                everything[name] = figures
            elif name == "startup":
                starts = run_startup(bed, 2 if arguments.quick else max(rounds, MINIMUM_ROUNDS))
                table, goal = report.startup(starts)
                everything[name] = starts
            elif name == "engine":
                figures = run_engine(rounds)
                table, goal = report.engine(figures)
                everything[name] = figures
            elif name == "collectors":
                figures = run_collectors(rounds)
                table, goal = report.collectors(figures)
                everything[name] = figures
            elif name == "fleet":
                plan = (
                    Plan(1, 3.0, 2.0) if arguments.smoke else Plan(rounds, arguments.duration, arguments.decision_wait)
                )
                figures = run_fleet(arguments.cells, plan)
                table, goal = report.fleet(figures)
                everything[name] = figures
            elif name == "store":
                figures = run_store(rounds, quick=arguments.quick)
                table, goal = report.store(figures)
                everything[name] = figures
            elif name == "capacity":
                services = run_capacity(bed, quick=arguments.quick)
                table, goal = report.capacity(services)
                everything[name] = services
            elif name == "forecast":
                scores = run_forecast(quick=arguments.quick)
                ends = run_budgets(quick=arguments.quick)
                table = f"{forecast_table(scores)}\n\n{budget_table(ends)}"
                goal = forecast_goals(scores, ends)
                everything[name] = {"series": scores, "budgets": ends}
            elif name == "dashboard":
                shown = run_dashboard(rounds, quick=arguments.quick)
                table, goal = report.dashboard(shown)
                everything[name] = shown
            elif name == "watcher":
                costs = run_watcher(1 if arguments.quick else min(rounds, 3), 2.0 if arguments.quick else 6.0)
                table, goal = watcher_table(costs), watcher_goals(costs)
                everything[name] = costs
            else:
                sizes = run_memory(bed, 1 if arguments.quick else 2)
                table, goal = report.memory(sizes), []
                everything[name] = sizes
            goals += goal
            print(f"\n{table}", file=out, flush=True)
        if everything.keys() >= set(APPLICATIONS) and "otel_fe" in everything["extraction"]:
            table, goal = report.applications({name: everything[name] for name in APPLICATIONS})
            goals += goal
            print(f"\n{table}", file=out, flush=True)
    print(f"\n{report.goals(goals)}", file=out)
    if arguments.json:
        everything["goals"] = [asdict(goal) for goal in goals]
        json.dump(everything, sys.stdout, default=_plain, indent=1)
        print()
    # Only a broken run fails: whether a goal was met depends on the machine, and is for the reader.
    sys.exit(os.EX_OK)


if __name__ == "__main__":
    main()
