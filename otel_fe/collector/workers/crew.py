"""One worker as the supervisor sees it: a process that answers lines with lines."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any, Final

from otel_fe.errors import OtelFeError

_ANSWER_S: Final = 30.0


class WorkerError(OtelFeError):
    """A worker that cannot do what it was told, or is no more."""


class Crewman:
    """A worker's process.

    Args:
        options: Its own.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.index: int = options["index"]
        self._options = options
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str]
        self.last: list[Any] = []
        """The figures that it was last asked for."""

    def start(self) -> dict[str, Any]:
        """Start the process, and return what it says when it is ready.

        Raises:
            WorkerError: It cannot start.
        """
        # None of it comes from outside.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "otel_fe.collector.workers.worker", json.dumps(self._options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with self._lock:
            return self._answer()

    @property
    def process_id(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, command: str) -> dict[str, Any]:
        """Give a command, and return the answer.

        Raises:
            WorkerError: There is none, or it says that it failed.
        """
        with self._lock:
            stdin = self._process.stdin
            try:
                if stdin is None:
                    raise BrokenPipeError
                stdin.write(f"{command}\n")
                stdin.flush()
            except OSError as error:
                raise WorkerError(f"worker {self.index} is no more") from error
            return self._answer()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end of the process, and return its status.

        Raises:
            subprocess.TimeoutExpired: It goes on.
        """
        return self._process.wait(timeout_s)

    def end(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        stdout = self._process.stdout
        watch = threading.Timer(_ANSWER_S, self._process.kill)
        watch.daemon = True
        watch.start()
        line = stdout.readline() if stdout is not None else ""
        watch.cancel()
        if not line:
            raise WorkerError(f"worker {self.index} has ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(str(answer["error"]))
        return answer
