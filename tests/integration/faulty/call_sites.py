"""Calls of `faults.record`: all that there are in the source, and those that tests reach."""

from __future__ import annotations

import ast
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import otel_fe
from otel_fe import faults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGE = Path(otel_fe.__file__).parent


def files_of(modules: Iterable[str]) -> set[Path]:
    """Return the files of modules, which are named from the package on."""
    return {PACKAGE / f"{module.replace('.', '/')}.py" for module in modules}


@contextmanager
def reached() -> Iterator[set[tuple[str, int]]]:
    """Note the file and the line of each call of `faults.record` in this process."""
    found: set[tuple[str, int]] = set()
    record = faults.record

    def noting(hook: str, error: BaseException) -> None:
        caller = sys._getframe(1)
        found.add((caller.f_code.co_filename, caller.f_lineno))
        record(hook, error)

    faults.record = noting
    try:
        yield found
    finally:
        faults.record = record


def never_reached(files: Iterable[Path], found: set[tuple[str, int]], elsewhere: Iterable[str] = ()) -> list[str]:
    """Return the calls that have not been reached, as `file:line hook`.

    Args:
        files: To look for calls in.
        found: What `reached` has noted.
        elsewhere: Hooks that are only reached in other processes.
    """
    return [
        f"{file.relative_to(PACKAGE)}:{call.lineno} {call.args[0].value}"
        for file in sorted(files)
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "faults.record"
        if isinstance(call.args[0], ast.Constant) and call.args[0].value not in elsewhere
        if not any((str(file), line) in found for line in range(call.lineno, (call.end_lineno or call.lineno) + 1))
    ]
