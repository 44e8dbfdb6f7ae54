"""Faults for every hook of ours, each with an operation of the application that runs into it."""

from tests.integration.faulty import (
    at_the_end,
    autopilot,
    extractions,
    imports,
    pipeline,
    pools_and_keys,
    redis_clients,
    sql,
    watching,
)
from tests.integration.faulty.injection import INJECTIONS, Application, Injection

__all__ = [
    "INJECTIONS",
    "Application",
    "Injection",
    "at_the_end",
    "autopilot",
    "extractions",
    "imports",
    "pipeline",
    "pools_and_keys",
    "redis_clients",
    "sql",
    "watching",
]
