"""A process beside the collector, such as the dashboard, so that page views do not slow down receiving."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Final

from otel_fe.collector.workers.child_process import ChildProcess
from otel_fe.config.text_file import read_text_file

if TYPE_CHECKING:
    from otel_fe.collector.settings import Options, Sidecar

_log = logging.getLogger("otel_fe")
_GRACE_S: Final = 5.0


class SidecarProcess:
    """Keeps a companion process running as long as the collector runs. Its failures do not affect the collector.

    Args:
        companion: The process to run.
        options: Of the collector.
        config: Text of the configuration in force.
        log_level: The collector's.

    Raises:
        ConfigurationError: The SLOs are no UTF-8.
        OSError: The settings cannot be read.
    """

    def __init__(self, companion: Sidecar, options: Options, config: str, log_level: str) -> None:
        slos = None if options.slos is None else {"name": str(options.slos), "text": read_text_file(options.slos)}
        self._config = {"name": str(options.config), "text": config}
        self._one = ChildProcess(
            companion.name,
            companion.module,
            {
                **companion.settings,
                "store": str(options.store),
                "config": self._config,
                # As they were read by those who alert on them: a file that has changed since is not in force.
                "slos": slos,
                "log_level": log_level,
            },
        )
        self._telling = threading.Lock()
        self._stopping = threading.Event()
        self._keeping_up = threading.Thread(
            target=self._one.keep_up, args=(self._stopping, self._ended), name="otel-fe-companion", daemon=True
        )

    def start(self) -> str:
        """Start it, and return its own description: `dashboard on http://localhost:8899/`.

        Raises:
            WorkerError: The process cannot start; the message says why.
        """
        answer = self._one.start()
        self._one.options.update(answer["again"])  # where it chose a port, that one
        self._keeping_up.start()
        return f"{self._one.name} on {answer['where']}"

    def change(self, config: str) -> None:
        """Send it the configuration now in force, without waiting for a response."""
        self._config["text"] = config
        threading.Thread(target=self._tell, name="otel-fe-companion-told", daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        if self._keeping_up.ident is not None:
            self._one.end(_GRACE_S)
            self._keeping_up.join(_GRACE_S)
            self._one.end()  # another one, where it was just being started again

    def _tell(self) -> None:
        with self._telling:  # the last caller sends the latest state
            self._one.asked(f"config {json.dumps(self._config['text'])}")

    def _ended(self, status: int) -> None:
        _log.error("the %s exited with status %d; restarting it", self._one.name, status)
