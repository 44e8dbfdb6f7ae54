"""The output of `otel-fe up`: variables to export, the address of the page, and a line for each service that sends."""

from __future__ import annotations

import logging
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from otel_fe import requirements
from otel_fe.cli.service_lines import seen_services
from otel_fe.dashboard.page_context import PageContext
from otel_fe.errors import OtelFeError
from otel_fe.store import StoreReader
from otel_fe.terminal import coloured, is_terminal, paint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from otel_fe.cli.service_lines import SeenService

_EVERY_S: Final = 2.0
_EVERY_OFF_TERMINAL_S: Final = 60.0
_UP_AND_ERASE: Final = "\033[F\033[J"


class UpAnnouncer:
    """Prints what the collector does for the person at the terminal, until it is closed.

    On a terminal, the services' lines are rewritten in place; elsewhere a line is printed when a service or its
    figures are first seen, and each minute in which it has changed.

    Args:
        store: Folder of the store.
        quiet: Whether to print only where the dashboard is.
    """

    def __init__(self, store: Path, *, quiet: bool = False) -> None:
        self._store = store
        self._quiet = quiet
        self._reader = StoreReader(store)
        self._since_ns = time.time_ns()
        self._ended = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="otel-fe-up", daemon=True)
        self._lines = ServiceLines()
        self._log = _AboveLines(self._lines)

    def started(self, line: str, addresses: Sequence[tuple[str, str, str]], pages: Sequence[str]) -> None:
        """Print what to do now, and begin to watch."""
        grpc = next(address for _, protocol, address in addresses if protocol == "grpc")
        page = next((one.rpartition(" ")[2] for one in pages if one.startswith("dashboard ")), "")
        if self._quiet:
            print(page, flush=True)
            return
        where = " and ".join(
            f"{address} (OTLP/{'gRPC' if protocol == 'grpc' else 'HTTP'})" for _, protocol, address in addresses
        )
        print(guide(where, grpc, page, self._store, colour=coloured(sys.stdout)), flush=True)
        logging.getLogger("otel_fe").debug("%s", line)
        self._log.replace()
        self._watching.start()

    def say(self, line: str) -> None:
        """Print a line above those of the services."""
        if not self._quiet:
            self._lines.above(line)

    def __enter__(self) -> UpAnnouncer:  # noqa: PYI034 `Self` is younger than Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._watching.ident is not None:
            self._watching.join(_EVERY_S)
            print(
                f"\nIt is kept in {self._store}: `otel-fe explain` reads it, `otel-fe up` goes on with it.", flush=True
            )
        self._reader.close()

    def _watch(self) -> None:
        stored = PageContext(self._reader, self._store)
        while not self._ended.wait(_EVERY_S):
            try:
                self._lines.show(seen_services(stored, self._since_ns))
            except (OtelFeError, OSError):
                continue  # nothing has been stored yet, or the store is busy: the next look will show it
            except ValueError:
                return  # stdout has been closed


def guide(where: str, grpc: str, page: str, store: Path, *, colour: bool) -> str:
    """Return the first screen.

    Args:
        where: The receivers' addresses, in words.
        grpc: Where services send over gRPC: `localhost:4317`.
        page: The dashboard's address.
        store: Folder of the store.
        colour: Whether to use terminal colours.
    """
    exports = (
        f"export OTEL_EXPORTER_OTLP_ENDPOINT=http://{grpc}",
        "export OTEL_SERVICE_NAME=my_service",
        "export OTEL_FE_TARGETS=my_module:my_function    # what to measure; several with commas",
    )
    return "\n".join(
        [
            f"otel-fe up: ready on {where}",
            "",
            "In your service's shell:",
            "",
            *(f"    {paint('cyan', line, colour=colour)}" for line in exports),
            "",
            "and start it as `opentelemetry-instrument python app.py` (pip install otel-fe opentelemetry-distro).",
            "",
            f"Dashboard     {paint('bold', page, colour=colour)}",
            f"Store         {store}",
            f"Requirements  {requirements.IN_WORDS}",
            "Stop          Ctrl-C",
            "",
            "Waiting for spans …",
        ]
    )


class ServiceLines:
    """The lines of the services: rewritten in place on a terminal, printed sparingly elsewhere. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._terminal = is_terminal(sys.stdout)
        self._shown: list[str] = []
        self._printed_s: dict[tuple[str, int, bool], float] = {}
        """When a line was last printed about a service at a stage, off a terminal."""

    def show(self, seen: Sequence[SeenService]) -> None:
        """Show the lines of these services in place of those before."""
        lines = [str(one) for one in seen]
        with self._lock:
            if self._terminal:
                self._erase()
                self._shown = list(lines)
                self._draw()
                return
            now_s = time.monotonic()
            for one, line in zip(seen, lines, strict=True):
                due = now_s - self._printed_s.get(one.stage, -_EVERY_OFF_TERMINAL_S) >= _EVERY_OFF_TERMINAL_S
                if due and line not in self._shown:
                    print(line, flush=True)
                    self._printed_s[one.stage] = now_s
            self._shown = list(lines)

    def above(self, text: str) -> None:
        """Print a text above the lines."""
        with self._lock:
            if self._terminal:
                self._erase()
            print(text, file=sys.stderr, flush=True)
            if self._terminal:
                self._draw()

    def _erase(self) -> None:
        print(_UP_AND_ERASE * len(self._shown), end="", flush=True)

    def _draw(self) -> None:
        # A line that wraps takes two, and could not be erased.
        width = shutil.get_terminal_size().columns - 1
        print("".join(f"{line[:width]}\n" for line in self._shown), end="", flush=True)


class _AboveLines(logging.Handler):
    """Writes the collector's log above the lines of the services."""

    def __init__(self, lines: ServiceLines) -> None:
        super().__init__()
        self._lines = lines

    def replace(self) -> None:
        """Take the place of the handler that writes to stderr."""
        log = logging.getLogger("otel_fe")
        for handler in list(log.handlers):
            self.setFormatter(handler.formatter)
            log.removeHandler(handler)
        log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless it is about an alert: those are on the dashboard, and would bury the services' lines."""
        if str(record.msg).startswith("alert "):
            return
        try:
            self._lines.above(self.format(record))
        except Exception:
            self.handleError(record)
