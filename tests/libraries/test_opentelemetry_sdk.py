"""The SDK's own tests of tracing, in a process whose tracers are ours: what they expect of the SDK's spans holds of lean ones."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.real.go import run
from tests.real.parts import Unavailable, cache_folder, declare, missing, obtain
from tests.venvs import ROOT, RUNNER, Environment, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

VERSION = "1.45.1"
ENVIRONMENT = Environment(
    "opentelemetry-sdk", (f"opentelemetry-sdk=={VERSION}", "opentelemetry-test-utils", "flaky", "pip", *RUNNER)
)


@dataclass(frozen=True)
class SourceDistribution:
    """The SDK's source distribution, which has its tests."""

    name: str = f"opentelemetry-sdk-{VERSION}-tests"
    tools: ClassVar[str] = "uv"

    @property
    def folder(self) -> Path:
        """Return the folder of the unpacked SDK."""
        return cache_folder() / f"opentelemetry_sdk-{VERSION}"

    def ready(self) -> bool:
        """Return whether it is there."""
        return (self.folder / "tests" / "trace").is_dir()

    def make(self) -> None:
        """Download and unpack it.

        Raises:
            Unavailable: with what pip said.
        """
        obtain(ENVIRONMENT)
        python = ENVIRONMENT.python()
        wanted = (f"opentelemetry-sdk=={VERSION}", "--no-deps", "--no-binary", ":all:", "--dest", cache_folder())
        run([python, "-m", "pip", "download", "--quiet", *wanted])
        packed = self.folder.with_name(f"{self.folder.name}.tar.gz")
        with tarfile.open(packed) as archive:
            archive.extractall(cache_folder(), filter="data")
        packed.unlink()


SOURCE = declare(SourceDistribution())


@pytest.mark.timeout(600)
def test_the_sdks_own_tests_pass_with_our_tracers():
    """277 in this version, of spans, tracers, samplers and processors."""
    python = ENVIRONMENT.python()
    try:
        obtain(SOURCE)
    except Unavailable as fault:
        missing(f"{SOURCE.name} ({fault})")
    environ = {
        **clean_environ(),
        # One of them runs a Python that it finds on the path.
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'libraries' / 'inside'}",
    }
    done = subprocess.run(
        [python, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "every_provider", "tests/trace"],
        cwd=SOURCE.folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 250
