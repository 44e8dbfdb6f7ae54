"""The `OTEL_FE_*` variables, read once into a frozen value."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from otel_fe import compiled
from otel_fe.config import autopilot as autopilot_settings
from otel_fe.config.web_address import web_address
from otel_fe.errors import ConfigurationError
from otel_fe.nearest import did_you_mean, nearest
from otel_fe.requirements import LATENCY_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX: Final = "OTEL_FE_"
DASHBOARD_TOKEN: Final = "OTEL_FE_DASHBOARD_TOKEN"  # noqa: S105 its name
"""Read by the commands that serve the dashboard."""
OF_OTHERS: Final = frozenset({DASHBOARD_TOKEN, "OTEL_FE_COLLECTOR_IMAGE", "OTEL_FE_GRPC_SERVER"})
"""Variables that may be set in the same shell, but are no settings of the instrumentation."""
_LONGEST_S: Final = 1e6
PIPELINES: Final = ("process", "collector")
COMPILED: Final = ("true", "false", "required")
PROFILES: Final = ("none", "otlp")
LIBRARIES: Final = (
    "redis",
    "sqlalchemy",
    "scikit-learn",
    "feast",
    "tsfresh",
    "featuretools",
    "transformers",
    "sentence-transformers",
    "hamilton",
    "torch",
    "ray",
)
"""The libraries that are instrumented, by the names that switch them off."""


def _variable(default: object, parse: Callable[[str, str], object]) -> Any:
    return field(default=default, metadata={"parse": parse})


def _text(_name: str, value: str) -> str:
    return value.strip()


def _boolean(name: str, value: str) -> bool:
    lowered = value.strip().lower()
    if lowered not in ("true", "false"):
        raise ConfigurationError(name, value, "use true or false")
    return lowered == "true"


def _compiled(name: str, value: str) -> str:
    lowered = value.strip().lower()
    if lowered not in COMPILED:
        raise ConfigurationError(name, value, f"use {', '.join(COMPILED[:-1])} or {COMPILED[-1]}")
    return lowered


def _count(name: str, value: str) -> int:
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise ConfigurationError(name, value, "use a whole number of at least 1")
    return number


def _ratio(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise ConfigurationError(name, value, "use a ratio from 0 to 1, for example 0.05")
    return number


def _seconds(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 < number < _LONGEST_S:
        raise ConfigurationError(name, value, "use a positive number of seconds")
    return number


def _seconds_or_off(name: str, value: str) -> float:
    return 0.0 if value.strip().lower() == "off" else _seconds(name, value)


def _pipeline(name: str, value: str) -> str:
    lowered = value.strip().lower()
    if lowered not in PIPELINES:
        raise ConfigurationError(name, value, f"use one of {', '.join(PIPELINES)}")
    return lowered


def _profiles(name: str, value: str) -> str:
    lowered = value.strip().lower()
    if lowered not in PROFILES:
        raise ConfigurationError(name, value, f"use one of {', '.join(PROFILES)}")
    return lowered


def library_names(name: str, value: str) -> str:
    """Return the names of libraries in a comma-separated list, without blanks.

    Args:
        name: The variable that holds it, for messages.
        value: For example `scikit-learn, feast`.

    Raises:
        ConfigurationError: There is no such library; the message has the nearest one's name.
    """
    found = [part.strip().lower() for part in value.split(",") if part.strip()]
    for part in found:
        if part not in LIBRARIES:
            near = nearest(part, LIBRARIES)
            hint = f"did you mean {near}? " if near else ""
            raise ConfigurationError(name, part, f"{hint}use some of {', '.join(LIBRARIES)}")
    return ",".join(found)


@dataclass(frozen=True, slots=True)
class Settings:
    """All that a user can set by environment variable; each field's variable is `OTEL_FE_` and its name in capitals."""

    targets: str = _variable("", _text)
    """The functions that extract: `module:qualified.name[=feature_set]`, separated by commas."""
    caches: str = _variable("", _text)
    """Functions under `functools.lru_cache` or `cachetools.cached` whose look-ups count: `module:qualified.name`, by commas."""
    disabled_libraries: str = _variable("", library_names)
    """Libraries that are left alone, by name and separated by commas, for example `scikit-learn,feast`."""
    config: str = _variable("", _text)
    """A Collector configuration (a YAML file) whose `tail_sampling` decides here what is kept, and whose `span_metrics` count."""
    pipeline: str = _variable("process", _pipeline)
    """`process`: decide here, before encoding. `collector`: export every span and leave both to a collector."""
    baseline_ratio: float = _variable(0.05, _ratio)
    """Share of healthy traces that are kept, chosen consistently by trace id."""
    slow_threshold_s: float = _variable(LATENCY_LIMIT_S, _seconds)
    """A trace that lasts this long or longer is kept, and its extractions name their bottleneck."""
    watch_threshold_s: float = _variable(LATENCY_LIMIT_S / 4, _seconds_or_off)
    """An extraction that lasts this long is looked at every few milliseconds, to name the line that it spends its time in; `off`
    never looks. A quarter of the latency objective."""
    profiles: str = _variable("none", _profiles)
    """`otlp`: also send the stacks of slow extractions as OTLP profiles, with links to their spans, to where OTLP sends traces; the
    signal is in alpha. `none`: do not."""
    max_open_traces: int = _variable(10_000, _count)
    """Undecided traces; beyond it the oldest is decided with the spans it has (`otel_fe.pipeline.traces.evicted`)."""
    max_spans_per_trace: int = _variable(2_000, _count)
    """Spans held per trace; beyond it the trace is decided with the spans it has, and the rest follows as late spans."""
    max_pending_bytes: int = _variable(64 * 1024 * 1024, _count)
    """Estimated bytes of all spans held; beyond it the oldest traces are decided with the spans they have."""
    max_remembered_decisions: int = _variable(50_000, _count)
    """Decided trace ids that late spans can still follow."""
    max_series: int = _variable(2_000, _count)
    """Combinations of dimensions per metric; the rest is folded into one series with `otel.metric.overflow`."""
    decision_wait_s: float = _variable(10.0, _seconds)
    """How long a trace whose root has ended waits for children that are still open."""
    flush_timeout_s: float = _variable(5.0, _seconds)
    """The longest that shutdown may keep the process from exiting."""
    flush_on_sigterm: bool = _variable(True, _boolean)  # noqa: FBT003
    """Export what is finished before SIGTERM ends the process, where the application has no handler of its own."""
    exception_messages: bool = _variable(False, _boolean)  # noqa: FBT003
    """Put the messages of exceptions on extraction spans; they may quote feature values, keys or SQL parameters."""
    alerts: bool = _variable(True, _boolean)  # noqa: FBT003
    """Evaluate alerts in the background every ten seconds, as log events and `feature_extraction.alert.active`."""
    page_url: str = _variable("", web_address)
    """Where the dashboard is opened, for example `https://otel-fe.example.com`: alerts then link to the traces and to the page at
    that time."""
    runbook_url: str = _variable("", web_address)
    """The runbook that alerts link to, with `{cause}`, `{alert}`, `{service}` and `{feature_set}` filled in; by default the
    dashboard's, `/runbook`."""
    connection_metrics: bool = _variable(False, _boolean)  # noqa: FBT003
    """Emit `db.client.connection.*` of SQLAlchemy's and Redis' pools: a few microseconds for each checkout and each command."""
    explain: bool = _variable(False, _boolean)  # noqa: FBT003
    """Ask PostgreSQL and SQLite, through SQLAlchemy, for the plans of slow SELECT statements: in the background, on a connection of
    its own, never with ANALYZE, and without the values of parameters."""
    explain_threshold_s: float = _variable(0.05, _seconds)
    """A statement that takes this long is slow."""
    explain_per_minute: int = _variable(6, _count)
    """The most plans that are asked for in a minute; of one statement, one in ten minutes."""
    compiled: str = _variable("true", _compiled)
    """Use what was compiled when this was installed, where there was a C compiler; `false` does all of it in Python, and with
    `required` nothing starts without the compiled module."""
    autopilot: str = _variable("", autopilot_settings.kinds)
    """What the autopilot sizes, `pools` or `caches` or both by comma; empty switches it off."""
    autopilot_limits: str = _variable("", autopilot_settings.limits)
    """Bounds of the autopilot, `NAME=LOW..HIGH` by comma; `pools=2..20` is for all that are not named."""
    autopilot_mode: str = _variable(autopilot_settings.DRY_RUN, autopilot_settings.mode)
    """`dry-run`: only say what the autopilot would do. `act`: resize, keep what helps, and revert the rest."""
    autopilot_window_s: float = _variable(60.0, _seconds)
    """How long the autopilot measures before a step and after it."""
    gpu: bool = _variable(True, _boolean)  # noqa: FBT003
    """Sample GPUs through NVML in the background, where there are any."""

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        autopilot_settings.check_limits(self.autopilot, self.autopilot_limits)


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from `environ`.

    Raises:
        ConfigurationError: A variable's value cannot be used, or an `OTEL_FE_` variable is not one of ours; the
            message names it, its value, and what would be right.
    """
    known = {PREFIX + f.name.upper(): f for f in fields(Settings)}
    values: dict[str, object] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in OF_OTHERS or not value.strip():
            continue
        if name not in known:
            raise ConfigurationError(name, value, f"no such variable{did_you_mean(name, known)}")
        values[known[name].name] = known[name].metadata["parse"](name, value)
    check_compiled(environ)
    return Settings(**values)  # type: ignore[arg-type]


def check_compiled(environ: Mapping[str, str] = os.environ) -> None:
    """Check `OTEL_FE_COMPILED`, which has taken effect when `otel_fe.compiled` was first imported.

    Raises:
        ConfigurationError: Its value is none that it can have, or the compiled module is required and not in use.
    """
    value = environ.get(compiled.SWITCH, "")
    if value.strip() and _compiled(compiled.SWITCH, value) == "required" and compiled.backend is None:
        raise ConfigurationError(compiled.SWITCH, value, f"no compiled module is in use: {compiled.missing}")
