"""A child process that answers lines with lines, is restarted when it dies, and ends with its parent.

It reads its options from stdin, since arguments are public, and then commands. The end of its stdin means that its
parent has ended, and it exits.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from otel_fe.errors import OtelFeError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("otel_fe")
_ANSWER_S: Final = 30.0
_AGAIN_S: Final = 0.5
_MOST_QUICK_DEATHS: Final = 6
_QUICK_S: Final = 30.0
"""One that lived for less died quickly: it is given longer and longer before the next try."""
# With our own path, the last argument: that of `-c` begins with the folder that the command was called in, and what lies there.
_CODE: Final = "import sys; sys.path[:] = sys.argv.pop().split(chr(0x1f)); from {module} import main; sys.exit(main())"


class WorkerError(OtelFeError):
    """A process that cannot execute a command, or has ended."""


class ChildProcess:
    """A process.

    Args:
        name: What it is called in messages.
        module: Whose `main` it runs.
        options: Its own, for JSON. Changes hold from its next start on.
    """

    def __init__(self, name: str, module: str, options: dict[str, Any]) -> None:
        self.name: Final = name
        self.options: Final = options
        self._module = module
        self._lock = threading.Lock()
        """Held from a command to its answer."""
        self._process: subprocess.Popen[str]
        self.last: list[Any] = []
        """Its last reported metrics."""

    def start(self) -> dict[str, Any]:
        """Start the process, and return its message when it is ready.

        Raises:
            WorkerError: The process cannot start.
        """
        code = _CODE.format(module=self._module)
        try:
            with self._lock:
                # None of it comes from outside.
                self._process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-c", code, f"otel-fe {self.name}", "\x1f".join(sys.path)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                self._say(json.dumps(self.options))
                return self._answer()
        except WorkerError:
            self.end()
            raise

    @property
    def process_id(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command, and return the answer.

        Raises:
            WorkerError: The process does not answer, or reports a failure.
        """
        with self._lock:
            self._say(command)
            return self._answer()

    def asked(self, command: str) -> dict[str, Any]:
        """Return the answer to a command; nothing where the process is dead, or just being started again."""
        try:
            return self.ask(command)
        except (WorkerError, ValueError, AttributeError):
            return {}

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end of the process, and return its status.

        Raises:
            subprocess.TimeoutExpired: It is still running.
        """
        return self._process.wait(timeout_s)

    def end(self, grace_s: float = 0.0) -> None:
        """End the process: by the end of its stdin, if it has that long, or else at once."""
        if grace_s and not self._ended_by_itself(grace_s):
            _log.warning("the %s does not exit; killing it", self.name)
        self._process.kill()
        self._process.wait()
        self._let_go()

    def keep_up(self, stopping: threading.Event, ended: Callable[[int], None]) -> None:
        """Start the process again whenever it ends, until `stopping` is set.

        Args:
            stopping: Set before it is ended.
            ended: Called with its exit status.
        """
        quick_deaths = 0
        while not stopping.is_set():
            began_s = time.monotonic()
            status = self.wait()
            if stopping.is_set():
                return
            quick_deaths = quick_deaths + 1 if time.monotonic() - began_s < _QUICK_S else 0
            ended(status)
            self._let_go()
            while not stopping.wait(_AGAIN_S * 2 ** min(quick_deaths, _MOST_QUICK_DEATHS)):
                try:
                    self.start()
                except (WorkerError, OSError) as error:
                    quick_deaths += 1
                    _log.error("%s cannot be restarted: %s", self.name, error)  # noqa: TRY400
                else:
                    break

    def _ended_by_itself(self, grace_s: float) -> bool:
        if not self._lock.acquire(timeout=grace_s):  # another caller waits for its response
            return False
        try:
            self._close(self._process.stdin)
        finally:
            self._lock.release()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _say(self, line: str) -> None:
        stdin = self._process.stdin
        try:
            if stdin is None:
                raise BrokenPipeError
            stdin.write(f"{line}\n")
            stdin.flush()
        except (OSError, ValueError) as error:
            raise WorkerError(f"{self.name} has exited") from error

    def _answer(self) -> dict[str, Any]:
        stdout = self._process.stdout
        watch = threading.Timer(_ANSWER_S, self._process.kill)
        watch.daemon = True
        watch.start()
        line = stdout.readline() if stdout is not None else ""
        watch.cancel()
        if not line:
            raise WorkerError(f"{self.name} has exited")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(str(answer["error"]))
        return answer

    def _let_go(self) -> None:
        with self._lock:
            self._close(self._process.stdin)
            self._close(self._process.stdout)

    @staticmethod
    def _close(stream: Any) -> None:
        try:
            if stream is not None:
                stream.close()
        except OSError:  # the data to be flushed had no reader
            pass
