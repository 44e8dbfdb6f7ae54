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
from typing import TYPE_CHECKING

from tests.integration.conftest import missing
from tests.real.go import Unavailable, cache_folder, go_binary, run

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class GoModule:
    """A module at a version, and what to build with its requirements and replacements."""

    name: str
    """What people call it."""
    module: str
    version: str
    packages: Mapping[str, str]
    """What to build, by the name of the program."""
    staged: str = ""
    """The version of modules that it replaces by folders of its own, which are not in what is published of it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Texts to link in, by their variables."""

    def built(self) -> Path:
        """Return the folder of its programs; where they cannot be built, skip the test, and fail it in CI."""
        try:
            return self._cached()
        except Unavailable as fault:
            missing(f"{self.name} ({fault})")
            raise

    def _cached(self) -> Path:
        cache = cache_folder()
        folder = cache / f"{self.name.lower()}-{self.version}"
        if not folder.exists():
            with (cache / "build.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                # Whoever held the lock before may have built it.
                if not folder.exists():
                    self._build(cache, folder)
        return folder

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
