"""Runs the tests and the fuzzer of the compiled modules under AddressSanitizer and UndefinedBehaviorSanitizer.

    python -m tests.sanitized [--inputs N] [options of pytest's]     # `make sanitize`

The modules are compiled with both in a copy of the tree. Python allocates with malloc, so that objects are watched as well. It needs
GCC with its sanitizers' libraries, and takes about ten times as long as without them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.venvs import ROOT, UV
from tests.wheel import run

SANITIZERS = ("address", "undefined")
FLAGS = f"-O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=undefined -fsanitize={','.join(SANITIZERS)}"
TESTS = (
    "tests/properties",
    "tests/unit/test_compiled.py",
    "tests/unit/pipeline",
    "tests/unit/sdk",
    "tests/unit/wire",
    "tests/unit/collector/test_http2.py",
)


def copied(folder: Path) -> Path:
    """Return a copy of the tree without what was built."""
    ignored = shutil.ignore_patterns(".git", ".venv", ".cache", "*.so", "__pycache__", ".*_cache", ".hypothesis")
    return Path(shutil.copytree(ROOT, folder / "tree", ignore=ignored))


def compile_in(tree: Path) -> None:
    """Compile the modules of a tree with the sanitizers, as for a wheel: that leaves them beside their sources."""
    linked = f"-fsanitize={','.join(SANITIZERS)}"
    run([UV, "build", "--quiet", "--wheel", "--out-dir", tree.parent / "dist", tree], CFLAGS=FLAGS, LDFLAGS=linked)


def watched() -> dict[str, str]:
    """Return the environment in which an ordinary Python loads modules compiled so."""
    names = {"address": "libasan.so", "undefined": "libubsan.so"}
    found = [
        subprocess.run(
            ["gcc", f"-print-file-name={names[one]}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for one in SANITIZERS
    ]
    missing = [name for name in found if not Path(name).is_absolute()]
    if missing:
        sys.exit(f"gcc has no {', '.join(missing)}: install GCC's sanitizer libraries (Debian: libasan, libubsan)")
    return {
        "LD_PRELOAD": " ".join(found),
        # Python itself frees little at its end.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }


def main() -> None:
    """Compile, test and fuzz; ends with the status of the first that fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.sanitized", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="of the fuzzer")
    options, of_pytest = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="otel_fe_sanitized_") as folder:
        tree = copied(Path(folder))
        compile_in(tree)
        environ = {**watched(), "PYTHONPATH": str(tree)}
        workers = ["-n", str(os.cpu_count() or 1), "--dist=worksteal", "-p", "no:cacheprovider", "--timeout=1800"]
        marks = ["-m", "not thorough", "--hypothesis-profile=between_edits"]
        run([sys.executable, "-m", "pytest", "-q", *workers, *marks, *TESTS, *of_pytest], tree, **environ)
        run([sys.executable, "-m", "tests.fuzz", "--inputs", str(options.inputs)], tree, **environ)


if __name__ == "__main__":
    main()
