"""The dashboard's process beside a collector, a child process of `collector/workers/child_process.py`.

Once it serves pages, it prints its address and the options that a restart needs. Then it reads commands:

    config TEXT    the configuration that is in force from now on, as a string of JSON

until its stdin ends, which means that the collector has ended: then it exits, too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from otel_fe.collector.logging_setup import log_to_stderr
from otel_fe.config.openslo import read_openslo
from otel_fe.dashboard.active_configuration import InForce
from otel_fe.dashboard.command import opened
from otel_fe.dashboard.settings import DashboardSettings
from otel_fe.errors import OtelFeError

_NICE: Final = 10
"""The niceness of the dashboard: the collector takes precedence on a shared core."""


def main() -> int:
    """Serve until stdin ends."""
    # A Ctrl-C in a terminal reaches all processes, and so may SIGTERM: the collector decides when to end.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    os.nice(_NICE)
    try:
        _serve(json.loads(sys.stdin.readline()))
    except BrokenPipeError:  # the collector is no more
        return 1
    except (OtelFeError, OSError) as error:
        _answer({"error": str(error)})
        return 1
    return 0


def _serve(told: dict[str, Any]) -> None:
    log_to_stderr(told["log_level"])
    config = InForce(**told["config"])
    slos = told["slos"]
    settings = DashboardSettings.from_dict(told["settings"])
    server = opened(
        settings,
        Path(told["store"]),
        slos=None if slos is None else read_openslo(slos["text"], slos["name"], os.environ),
        config=config,
    )
    server.start()
    try:
        chosen = replace(settings, listen=server.listening)
        _answer({"where": server.url, "again": {"settings": chosen.as_dict()}})
        for line in sys.stdin:
            command, _, text = line.partition(" ")
            if command == "config":
                config.text = json.loads(text)
            _answer({} if command == "config" else {"error": f"there is no command {command!r}"})
    finally:
        server.close()


def _answer(content: dict[str, Any]) -> None:
    print(json.dumps(content), flush=True)
