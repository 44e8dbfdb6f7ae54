"""Runs tests against the wheel as it is published, in a clean environment: `python -m tests.wheel [options of pytest's]`.

The sdist is built, the wheel from it, and the wheel is installed with its extras into a new environment. The tests are those of the
sdist, in a folder without the package's sources, so that only the wheel can be imported.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.venvs import ROOT, UV, clean_environ

EXTRAS = "demo,gpu,anomalies"
TESTS = (
    *("tests/unit", "tests/properties"),
    *(f"tests/integration/test_{name}.py" for name in ("launcher", "collector", "redis", "store", "up")),
)
"""Contracts are about the sources, `otel-fe demo` runs an example beside them, and real parts that take long to make are for `make test`."""
INSTALLED = """
import otel_fe, sys
from otel_fe import compiled
assert otel_fe.__file__.startswith(sys.prefix), otel_fe.__file__
assert compiled.backend is not None, compiled.missing
"""


def run(command: list[str | Path], cwd: Path = ROOT, **environ: str) -> None:
    """Run a step with some more variables in its environment, and end with its status if it fails."""
    print("+", *command, flush=True)
    done = subprocess.run(
        command, check=False, cwd=cwd, env={**clean_environ(), "OTEL_FE_COMPILED": "required", **environ}
    )
    if done.returncode:
        sys.exit(done.returncode)


def built(folder: Path) -> tuple[Path, Path]:
    """Return the sdist and the wheel that is made of it."""
    run([UV, "build", "--quiet", "--sdist", "--out-dir", folder, ROOT])
    (sdist,) = folder.glob("*.tar.gz")
    run([UV, "build", "--quiet", "--wheel", "--out-dir", folder, sdist])
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def tests_alone(sdist: Path, folder: Path) -> Path:
    """Unpack an sdist, take the package out, and return the folder of the rest."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    shutil.rmtree(tree / "otel_fe")
    return tree


def installed(wheel: Path, tree: Path, folder: Path) -> Path:
    """Return the Python of a new environment that holds the wheel and what its tests need."""
    python = folder / "bin" / "python"
    run([UV, "venv", "--quiet", "--python", sys.executable, folder])
    pins = ["--constraint", tree / "tests" / "constraints.txt"] if sys.version_info[:2] == (3, 11) else []
    wanted = [f"{wheel}[{EXTRAS}]", "--group", f"{tree / 'pyproject.toml'}:test"]
    run([UV, "pip", "install", "--quiet", "--python", python, *pins, *wanted])
    run([python, "-I", "-c", INSTALLED])
    return python


def main(arguments: list[str]) -> None:
    """Build, install and test; ends with pytest's status."""
    with tempfile.TemporaryDirectory(prefix="otel_fe_wheel_") as name:
        folder = Path(name)
        sdist, wheel = built(folder / "dist")
        tree = tests_alone(sdist, folder / "tree")
        python = installed(wheel, tree, folder / "venv")
        workers = ["--numprocesses", str(os.cpu_count() or 1), "--dist=loadgroup"]
        run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *workers, *TESTS, *arguments], cwd=tree)


if __name__ == "__main__":
    main(sys.argv[1:])
