"""Starts workers, restarts dead ones, and answers for all of them."""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.collector.accounts import COUNTER, Sample
from otel_fe.collector.decision_lookup import UNKNOWN
from otel_fe.collector.own_metrics import added_up
from otel_fe.collector.servers.endpoints import endpoint, free_port
from otel_fe.collector.workers.child_process import ChildProcess
from otel_fe.wire.batch import worker_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from otel_fe.collector.settings import Options
    from otel_fe.collector.workers.shared_store import SharedStore
    from otel_fe.config.collector import CollectorConfig

_log = logging.getLogger("otel_fe")
_WORKER: Final = "otel_fe.collector.workers.worker"


class Supervisor:
    """All workers of one collector.

    Args:
        config: Their configuration.
        options: Of the command.
        shared: The store; None without one.
    """

    def __init__(self, config: CollectorConfig, options: Options, shared: SharedStore | None = None) -> None:
        self.config = config
        self.saved = 0
        self.restored = 0
        self.listening: list[tuple[str, str, str]] = []
        self._options = options
        self._shared = shared
        self._folder = Path(tempfile.mkdtemp(prefix="otel-fe-workers-"))
        self._stopping = threading.Event()
        self._restarts = 0
        self._before: list[Sample] = []
        """The last figures of dead workers."""
        self._ports, self._keepers = _shared_ports(config)
        self._crew = [
            ChildProcess(f"worker {index}", _WORKER, self._options_of(index)) for index in range(options.workers)
        ]

    def start(self) -> None:
        """Start all.

        Raises:
            WorkerError: A worker cannot start; the message says why.
        """
        self._copy()
        try:
            if self._shared is not None:
                self._shared.start(self._folder)
            answers = _of_all(self._crew, lambda one: one.start())
        except BaseException:
            self._remove()
            raise
        self.listening = [(receiver, protocol, where) for receiver, protocol, where in answers[0]["listening"]]
        self.restored = sum(answer["restored"] for answer in answers)
        for one in self._crew:
            ended = partial(self._ended, one)
            threading.Thread(
                target=one.keep_up, args=(self._stopping, ended), name="otel-fe-watch", daemon=True
            ).start()

    def change(self, config: CollectorConfig) -> None:
        """Make all workers reload the file.

        Raises:
            WorkerError: A worker cannot. The others keep the new file if they could read it, so the first worker reloads first.
        """
        self._copy()
        for one in self._crew:
            one.ask("reload")
        self.config = config

    def stop(self, grace_s: float) -> None:
        """Stop all workers: first they stop accepting and routing spans, then they decide and send the rest."""
        self._stopping.set()
        _of_all(self._crew, lambda one: one.asked("quiesce"))
        answers = _of_all(self._crew, lambda one: one.asked("stop"))
        for one, answer in zip(self._crew, answers, strict=True):
            one.last = answer.get("samples", one.last)
            self.saved += answer.get("saved", 0)
            try:
                one.wait(grace_s)
            except subprocess.TimeoutExpired:
                one.end()
        if self._shared is not None:
            self._shared.stop(grace_s)
        self._remove()

    def samples(self) -> list[Sample]:
        """Return the figures of all as those of one."""
        if not self._stopping.is_set():
            for one, answer in zip(self._crew, _of_all(self._crew, lambda one: one.asked("samples")), strict=True):
                one.last = answer.get("samples", one.last)
        of_all = [_sample(sample) for one in self._crew for sample in one.last]
        restarts = Sample("otel_fe.collector.workers.restarted", COUNTER, (), self._restarts)
        stored = self._shared.samples() if self._shared is not None else []
        return added_up([*of_all, *self._before, restarts, *stored])

    def explained(self, trace_id: int) -> dict[str, Any]:
        """Query the worker that decides a trace."""
        answer = self._crew[worker_of(trace_id, len(self._crew))].asked(f"explain {trace_id:032x}")
        if not answer and self._shared is not None:
            answer = self._shared.explained(trace_id)
        return answer or {"state": UNKNOWN, "trace_id": f"{trace_id:032x}"}

    def _options_of(self, index: int) -> dict[str, Any]:
        return {
            "config": str(self._folder / "config.yaml"),
            "index": index,
            "workers": self._options.workers,
            "folder": str(self._folder),
            "ports": self._ports,
            "open_to_all": self._options.open_to_all,
            "grace_s": self._options.grace_s,
            "store": None if self._shared is None else str(self._shared.directory),
        }

    def _copy(self) -> None:
        """Write a copy of the file for workers: a restarted one must not read an unchecked file."""
        shutil.copyfile(self._options.config, self._folder / "config.yaml")

    def _ended(self, one: ChildProcess, status: int) -> None:
        """Note the end of a worker."""
        self._restarts += 1
        self._before = added_up([*self._before, *(s for s in map(_sample, one.last) if s.kind == COUNTER)])
        one.last = []
        _log.error("%s exited with status %d; its pending data is lost; restarting it", one.name, status)

    def _remove(self) -> None:
        for keeper in self._keepers:
            keeper.close()
        for one in self._crew:
            with contextlib.suppress(AttributeError):  # not started
                one.end()
        shutil.rmtree(self._folder, ignore_errors=True)


def _of_all(crew: list[ChildProcess], ask: Callable[[ChildProcess], dict[str, Any]]) -> list[dict[str, Any]]:
    """Query all workers at the same time."""
    with ThreadPoolExecutor(len(crew)) as pool:
        return list(pool.map(ask, crew))


def _sample(parts: list[Any]) -> Sample:
    name, kind, labels, value = parts
    return Sample(name, kind, tuple((key, text) for key, text in labels), value)


def _shared_ports(config: CollectorConfig) -> tuple[dict[str, int], list[socket.socket]]:
    """Return ports for receivers that want any free one, by `receiver protocol`: all workers must have the same."""
    ports: dict[str, int] = {}
    keepers: list[socket.socket] = []
    for identifier, receiver in config.receivers.items():
        for protocol in ("grpc", "http"):
            settings = getattr(receiver, protocol)
            if settings is None:
                continue
            where = endpoint(settings.endpoint, f"receivers::{identifier}::protocols::{protocol}::endpoint")
            if not where.port:
                keeper, ports[f"{identifier} {protocol}"] = free_port(where.address)
                keepers.append(keeper)
    return ports, keepers
