"""The real OpenTelemetry Collector: built once per manifest into a cache folder, and run by tests."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.real.go import go_binary, run
from tests.real.parts import Unavailable, cache_folder, declare, missing, obtain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MANIFEST = Path(__file__).with_name("collector.yaml")
BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.160.0"
_NAME = "otelcol-fe"
_START_S = 30
_STOP_S = 30


@dataclass(frozen=True)
class CollectorBuild:
    """A Collector made of the modules that a manifest names."""

    manifest: Path

    tools = "go"

    @property
    def name(self) -> str:
        """Return the display name."""
        return f"OpenTelemetry Collector of {self.manifest.parent.name}/{self.manifest.name}"

    @property
    def binary(self) -> Path:
        """Return the binary's path; it may not be built yet."""
        digest = hashlib.sha256(self.manifest.read_bytes() + BUILDER.encode()).hexdigest()[:12]
        return cache_folder() / f"collector-{digest}" / _NAME

    def ready(self) -> bool:
        """Return whether it is built."""
        return self.binary.exists()

    def make(self) -> None:
        """Build it; that takes two minutes."""
        with _locked(cache_folder() / "build.lock"):
            # The previous holder of the lock may have built it.
            if not self.ready():
                _build(cache_folder(), self.binary.parent, self.manifest)


def built_collector(manifest: Path = MANIFEST) -> Path:
    """Return the Collector's binary; where it cannot be built, skip the test, and fail it in CI."""
    try:
        return build_collector(manifest)
    except Unavailable as fault:
        missing(f"the OpenTelemetry Collector ({fault})")
        raise


def build_collector(manifest: Path = MANIFEST) -> Path:
    """Return the Collector's binary, built now unless an earlier run has.

    Raises:
        Unavailable: with what the toolchain said.
    """
    build = CollectorBuild(manifest)
    obtain(build)
    return build.binary


declare(CollectorBuild(MANIFEST))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; it ends with the process, however that ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(cache: Path, folder: Path, manifest: Path) -> None:
    """Build a manifest beside `folder`, and move what is complete to its place."""
    go = go_binary()
    making = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        tools = making / "tools"
        environment = {**os.environ, "GOBIN": str(tools), "PATH": f"{go.parent}{os.pathsep}{os.environ['PATH']}"}
        run([go, "install", BUILDER], env=environment)
        run([tools / "builder", "--config", manifest.resolve()], env=environment, cwd=making)
        # Something stale without a binary, if anything, is in the way.
        shutil.rmtree(folder, ignore_errors=True)
        (making / "out").rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


class RunningCollector:
    """A Collector from start to graceful stop, in which it decides the traces that are pending.

    Args:
        binary: What `built_collector` returned.
        config: Its configuration, YAML.
        folder: Where its configuration and its log are written.
        receivers: Ports on 127.0.0.1, addresses with ports, or Unix sockets that accept connections when it has started.
        gates: Feature gates to switch on.
        environ: Environment variables that it gets beside this process's own.
        within: A command that runs the one that follows it, in its own stead.
    """

    def __init__(
        self,
        binary: Path,
        config: str,
        folder: Path,
        receivers: Sequence[int | tuple[str, int] | Path],
        gates: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self._command = [*within, str(binary), "--config", str(folder / "collector.yaml")]
        if gates:
            self._command.append(f"--feature-gates={','.join(gates)}")
        self._config = config
        self._folder = folder
        self._receivers = receivers
        self._environ = {**os.environ, **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Return the log so far."""
        return (self._folder / "collector.log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Return the process id, for measurements."""
        assert self._process is not None, "not started"
        return self._process.pid

    def __enter__(self) -> RunningCollector:  # noqa: PYI034 - Self is of 3.11
        (self._folder / "collector.yaml").write_text(self._config)
        with (self._folder / "collector.log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, env=self._environ)
        try:
            self._wait_until_it_accepts()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it with SIGTERM and wait until it has decided and exported what was pending. May be called twice."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the Collector does not end\n{self.log[-2000:]}") from None

    def kill(self) -> None:
        """End it as a machine that loses power does."""
        assert self._process is not None, "not started"
        self._process.kill()
        self._process.wait()

    def _wait_until_it_accepts(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if all(map(_accepts, self._receivers)):
                return
            time.sleep(0.05)
        raise AssertionError(f"the Collector does not start\n{self.log[-4000:]}")


def _accepts(receiver: int | tuple[str, int] | Path) -> bool:
    address = ("127.0.0.1", receiver) if isinstance(receiver, int) else receiver
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(address) if isinstance(address, Path) else address) == 0
