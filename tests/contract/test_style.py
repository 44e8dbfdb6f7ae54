"""The shape of the code: sizes of modules and functions, direction of imports, no cycles."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import otel_fe

ROOT = Path(otel_fe.__file__).parents[1]
FILES = sorted((ROOT / "otel_fe").rglob("*.py"))


def _lengths() -> list[int]:
    return [
        (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def test_modules_are_small():
    """The median module has at most 150 lines, and none more than 400."""
    lines = {path: len(path.read_text().splitlines()) for path in FILES}
    assert statistics.median(count for count in lines.values() if count) <= 150
    assert max(lines.values()) <= 400, max(lines, key=lines.get)


def test_compiled_modules_are_small():
    for path in (ROOT / "otel_fe" / "compiled").glob("*.p[yx]*"):
        if path.suffix in {".pyx", ".pxd", ".pyi"}:
            assert len(path.read_text().splitlines()) <= 400, path.name


def test_sizes_are_those_of_every_module():
    """One with the same name as another counts as well."""
    found = subprocess.run(["git", "ls-files", "otel_fe/*.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert set(found.stdout.split()) <= {str(path.relative_to(ROOT)) for path in FILES}


@pytest.mark.parametrize(
    ("call", "home"), [("register_at_fork(", "forks.py"), ("get_close_matches(", "nearest.py")], ids=["forks", "names"]
)
def test_one_module_calls(call, home):
    """One implementation of an idea; `mcp` lists several near names, which is another question."""
    callers = {path.relative_to(ROOT / "otel_fe").as_posix() for path in FILES if call in path.read_text()}
    assert callers - {"mcp/answers.py"} == {home}


def test_functions_are_small():
    """95 % of functions have at most 30 lines, and none more than 60."""
    lengths = sorted(_lengths())
    assert lengths[int(len(lengths) * 0.95)] <= 30
    assert lengths[-1] <= 60


def test_imports_point_down_the_house():
    """The layers of pyproject.toml hold."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_there_are_no_cycles():
    """No module imports, however far round, one that imports it; imports for types count."""
    graph = grimp.build_graph("otel_fe", exclude_type_checking_imports=False)
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            chain = graph.find_shortest_chain(imported, module)
            assert chain is None, f"{module} -> {' -> '.join(chain or ())}"


@pytest.mark.parametrize("heavy", ["ray", "redis", "sqlalchemy", "sklearn", "numpy", "grpc", "pynvml", "plotly"])
def test_importing_otel_fe_and_switching_it_on_loads_no(heavy):
    """What is an extra is imported when it is used, and not before."""
    source = f"""
import sys, otel_fe
from otel_fe import FeatureExtractionInstrumentor, configure, extraction
FeatureExtractionInstrumentor().instrument()
assert {heavy!r} not in sys.modules, {heavy!r}
FeatureExtractionInstrumentor().uninstrument()
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
