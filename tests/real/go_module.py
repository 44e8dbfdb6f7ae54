"""Programs of Go modules that `go install` refuses, since they replace or exclude others: built once and kept in the cache."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tests.real.go import go_binary, run
from tests.real.parts import Unavailable, cache_folder, declare, missing, obtain

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class GoModule:
    """A module at a version, and what to build with its requirements and replacements."""

    name: str
    """The display name."""
    module: str
    version: str
    packages: Mapping[str, str]
    """The packages to build, by the name of the program."""
    staged: str = ""
    """The version of modules that it replaces by folders of its own, which are not in what is published of it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Texts to link in, by their variables."""

    tools: ClassVar[str] = "go"

    def __post_init__(self) -> None:
        """Have it built before the tests start."""
        declare(self)

    @property
    def _folder(self) -> Path:
        return cache_folder() / f"{self.name.lower()}-{self.version}"

    def built(self) -> Path:
        """Return the folder of its programs; where they cannot be built, skip the test, and fail it in CI."""
        try:
            obtain(self)
        except Unavailable as fault:
            missing(f"{self.name} ({fault})")
            raise
        return self._folder

    def ready(self) -> bool:
        """Return whether its programs are built."""
        return self._folder.exists()

    def make(self) -> None:
        """Build its programs; that takes minutes."""
        with (cache_folder() / "build.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # The previous holder of the lock may have built it.
            if not self.ready():
                self._build(cache_folder(), self._folder)

    def _build(self, cache: Path, folder: Path) -> None:
        """Build in a module of our own that requires what this one does, and move what is complete to its place."""
        go = go_binary()
        making = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
        environ = {**os.environ, "GOFLAGS": "-mod=mod"}
        linked = " ".join(("-s", "-w", *(f"-X {name}={text}" for name, text in self.settings.items())))
        try:
            found = json.loads(run([go, "mod", "download", "-json", f"{self.module}@{self.version}"], cwd=making))
            source = Path(found["Dir"])
            text = re.sub(r"(?m)^module .*$", "module scratch", (source / "go.mod").read_text())
            (making / "go.mod").write_text(re.sub(r"(\S+) => \./\S+", rf"\1 => \1 {self.staged}", text))
            (making / "go.sum").write_bytes((source / "go.sum").read_bytes())
            run([go, "mod", "edit", "-require", f"{self.module}@{self.version}"], cwd=making)
            for program, package in self.packages.items():
                output = Path("programs") / program
                run([go, "build", "-ldflags", linked, "-o", output, package], cwd=making, env=environ)
            (making / "programs").rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
