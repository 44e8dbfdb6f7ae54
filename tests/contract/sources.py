"""The sources of the package, each parsed once for all contracts that one worker checks."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path

import otel_fe

PACKAGE = Path(otel_fe.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py"))


@cache
def _trees() -> dict[Path, ast.Module]:
    """Return all syntax trees: a million objects that stay, so that garbage collections of other tests do not visit them."""
    gc.collect()
    gc.disable()
    try:
        found = {path: ast.parse(path.read_text()) for path in FILES}
        gc.freeze()
    finally:
        gc.enable()
    return found


def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a file, which no test changes."""
    return _trees()[path]


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file, in the order of `ast.walk`."""
    return tuple(ast.walk(tree_of(path)))


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return all functions of a file, nested ones too."""
    return [node for node in nodes_of(path) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
