"""One of several worker processes. Each command is a line on stdin, and each answer a line of JSON on stdout.

    ready      (unprompted, once) the addresses that it listens on
    reload     reads the configuration again
    samples    returns its metrics
    explain    returns the decision record of a trace
    quiesce    stops accepting requests, and sends other workers the spans of their traces
    stop       decides or saves pending traces, sends kept ones, and exits

The end of stdin means that the supervisor has ended: the worker then does the last two.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.clock import SystemClock
from otel_fe.collector.accounts import COUNTER, Sample
from otel_fe.collector.collector import Collector, Role
from otel_fe.collector.config_file import read_config
from otel_fe.collector.logging_setup import log_to_stderr
from otel_fe.collector.process_memory import Garbage, put_off, share_arenas
from otel_fe.collector.servers.loop import Loop
from otel_fe.collector.servers.open_files import raise_open_files
from otel_fe.collector.workers.peer_receiver import PeerReceiver, into_engine
from otel_fe.collector.workers.span_router import SpanRouter
from otel_fe.config.extensions import FileStorage
from otel_fe.errors import OtelFeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.collector.store_sink import StoreSink
    from otel_fe.config.collector import CollectorConfig

_FLUSH_S: Final = 5.0
_LET_GO_S: Final = 0.5
_LOCK_NS: Final = 8_000_000_000
"""Time for a queue on disk that a worker whose supervisor was killed still holds."""


class Worker:
    """One worker.

    Args:
        options: `config`, `index`, `workers`, `folder` (of the sockets), `ports` (by receiver and protocol), `open_to_all`,
            `grace_s`, `store` (its folder): see `supervisor`.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._config = Path(options["config"])
        index, workers = options["index"], options["workers"]
        config = self._read()
        log_to_stderr(config.telemetry.logs_level)
        sockets = [Path(options["folder"]) / f"worker-{place}" for place in range(workers)]
        self._loop = Loop()
        self._hand_over = SpanRouter(index, sockets)
        ports = {tuple(place.rsplit(" ", 1)): port for place, port in options["ports"].items()}
        role = Role(workers, self._hand_over, ports)
        self._collector = Collector(
            config,
            SystemClock(),
            self._loop,
            role,
            open_to_all=options["open_to_all"],
            keeping=self._keeping(),
            garbage=Garbage(),
        )
        self._collector.start()
        self._taking = PeerReceiver(sockets[index], into_engine(lambda: self._collector.engine))

    def run(self) -> None:
        """Execute commands until one stops it."""
        self._answer({"ready": True, "listening": self._collector.listening, "restored": self._collector.restored})
        commands: dict[str, Callable[[str], dict[str, Any]]] = {
            "reload": self._reload,
            "samples": self._samples,
            "explain": self._explain,
            "quiesce": self._quiesce,
        }
        for line in sys.stdin:
            name, _, argument = line.strip().partition(" ")
            if name == "stop":
                break
            try:
                self._answer(commands[name](argument))
            except Exception as error:
                # The supervisor waits for an answer, whatever it is.
                self._answer({"error": f"{type(error).__name__}: {error}"})
        else:
            self._stop_alone()
            return
        self._taking.finish(_FLUSH_S)
        self._collector.stop(self._options["grace_s"])
        self._answer(self._samples("") | {"saved": self._collector.saved})

    def _stop_alone(self) -> None:
        """End after the supervisor has ended, in whatever way.

        Payloads on disk are safe, and the next collector waits for the file, so a worker with a queue on disk releases it at
        once.
        """
        stored = any(isinstance(one, FileStorage) for one in self._collector.config.extensions.values())
        flush_s, grace_s = (_LET_GO_S, _LET_GO_S) if stored else (_FLUSH_S, self._options["grace_s"])
        self._collector.quiesce(flush_s / 2)
        self._hand_over.flush(flush_s)
        self._taking.finish(flush_s)
        self._collector.stop(grace_s)

    def _keeping(self) -> StoreSink | None:
        if self._options["store"] is None:
            return None
        from otel_fe.collector.store_sink import StoreSink  # noqa: PLC0415 only who has a store needs it
        from otel_fe.collector.workers.remote_store import SOCKET, RemoteStore  # noqa: PLC0415

        path = Path(self._options["folder"]) / SOCKET
        store = RemoteStore(Path(self._options["store"]), path, f"worker {self._options['index']}")
        return StoreSink(store, store)

    def _read(self) -> CollectorConfig:
        """Read the configuration, with a storage directory of this worker's own."""
        config = read_config(self._config, os.environ)
        index = self._options["index"]
        extensions = {
            name: replace(
                one,
                directory=str(Path(one.directory) / f"worker-{index}"),
                create_directory=True,
                timeout_ns=max(one.timeout_ns, _LOCK_NS),
            )
            if isinstance(one, FileStorage)
            else one
            for name, one in config.extensions.items()
        }
        return replace(config, extensions=extensions)

    def _reload(self, _: str) -> dict[str, Any]:
        try:
            config = self._read()
            self._collector.change(config)
            log_to_stderr(config.telemetry.logs_level)
        except (OtelFeError, OSError) as error:
            return {"error": str(error)}
        return {}

    def _samples(self, _: str) -> dict[str, Any]:
        own = (
            ("otel_fe.collector.spans.handed_over", self._hand_over.sent),
            ("otel_fe.collector.spans.taken_over", self._taking.taken),
            ("otel_fe.collector.spans.not_handed_over", self._hand_over.lost),
        )
        return {"samples": [*self._collector.samples(), *(Sample(name, COUNTER, (), value) for name, value in own)]}

    def _explain(self, trace_id: str) -> dict[str, Any]:
        return self._collector.explained(int(trace_id, 16))

    def _quiesce(self, _: str) -> dict[str, Any]:
        self._collector.quiesce(_FLUSH_S / 2)
        flushed = self._hand_over.flush(_FLUSH_S)
        self._hand_over.close()
        return {"flushed": flushed}

    def _answer(self, content: dict[str, Any]) -> None:
        print(json.dumps(content), flush=True)


def main() -> int:
    """Run a worker."""
    # The supervisor decides: a Ctrl-C in a terminal reaches all processes.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    share_arenas()
    raise_open_files()
    put_off()
    try:
        Worker(json.loads(sys.stdin.readline())).run()
    except BrokenPipeError:  # the supervisor has ended
        return 1
    except (OtelFeError, OSError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0
