"""The shape of the code: sizes of modules and functions, direction of imports, no cycles."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import grimp
import pytest

from tests.contract.sources import FILES, ROOT, functions_of, nodes_of, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def _lengths() -> list[int]:
    return [(node.end_lineno or 0) - node.lineno + 1 for path in FILES for node in functions_of(path)]


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
    """A module with the same name as another counts as well."""
    found = subprocess.run(["git", "ls-files", "otel_fe/*.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert set(found.stdout.split()) <= {str(path.relative_to(ROOT)) for path in FILES}


@pytest.mark.parametrize(
    ("call", "home"), [("register_at_fork(", "forks.py"), ("get_close_matches(", "nearest.py")], ids=["forks", "names"]
)
def test_one_module_calls(call, home):
    """Each of these calls has one module, since each idea has one implementation."""
    callers = {path.relative_to(ROOT / "otel_fe").as_posix() for path in FILES if call in path.read_text()}
    assert callers == {home}


UNITS = {
    "_S",
    "_MS",
    "_NS",
    "_MB",
    "_MIB",
    "_NS_PER_S",
    "_NS_PER_MS",
    *(f"_{unit}{suffix}" for unit in ("SECOND", "MINUTE", "HOUR", "DAY") for suffix in ("", "_S", "_NS")),
}


def test_units_are_defined_once():
    """Units of time and size are defined only in `units.py`."""
    found = [
        f"{path.name}: {target.id}"
        for path in FILES
        for node in tree_of(path).body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, (ast.Constant, ast.BinOp))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id in UNITS
    ]
    assert found == []


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


FOREIGN = {
    "autopilot/redis_pools.py": {"pool"},
    "autopilot/server_limit.py": {"pool"},
    "autopilot/sqlalchemy_pools.py": {"pool", "queue", "inner", "self._pool"},
    "instrument/celery_tasks.py": {"app"},
    "instrument/export_only_runtime.py": {"active"},
    "instrument/process.py": {"active", "provider", "self._provider"},
    "instrument/watch/threads.py": {"threading"},
    "instrument/watch/watcher.py": {"threading"},
    "ray/context_argument.py": {"remote"},
    "ray/client.py": {"called", "function"},
    "sdk/export.py": {"readable", "span"},
    "sdk/metric_views.py": {"view"},
    "sdk/plain_values.py": {"event", "item", "readable"},
    "sdk/processor.py": {"span"},
    "sdk/profile_senders.py": {"self._client", "self._exporter"},
    "sdk/recorded_histograms.py": {"stream"},
    "sdk/tracer.py": {"part", "span"},
}
"""By module, the variables that hold objects of libraries and of the SDK, into whose private names we have to reach: for some of
them, classes of ours have the same ones."""
SAFE = {"os._exit"}


def _defined(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the private names that a module defines: functions, classes, variables, attributes of its own objects."""
    found = set()
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and getattr(node.value, "id", "") == "self"
        ):
            found.add(node.attr)
    return {name for name in found if _is_private(name)}


def _reached_into(path: str, nodes: Sequence[ast.AST], elsewhere: set[str]) -> list[str]:
    """Return the private names of other modules that a module uses: imported, or of an object that is not its own."""
    own, foreign = _defined(nodes), {"self", "cls", "super()"} | FOREIGN.get(path, set())
    imports = [n for n in nodes if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("otel_fe")]
    names = [alias for node in imports for alias in node.names]
    modules = {alias.asname or alias.name for alias in names}
    found = [f"{path}: import {alias.name}" for alias in names if _is_private(alias.name)]
    for node in nodes:
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            holder = ast.unparse(node.value)
            ours = holder in modules or (node.attr in elsewhere and node.attr not in own)
            if ours and holder not in foreign and f"{holder}.{node.attr}" not in SAFE:
                found.append(f"{path}:{node.lineno}: {holder}.{node.attr}")
    return found


def test_private_names_stay_in_their_module():
    """Methods of `namedtuple`, which begin with an underscore so as not to be fields, are public."""
    modules = {path.relative_to(ROOT / "otel_fe").as_posix(): nodes_of(path) for path in FILES}
    ours = set().union(*map(_defined, modules.values())) - {"_replace", "_make", "_instruments", "_asdict"}
    assert [line for path, nodes in modules.items() for line in _reached_into(path, nodes, ours)] == []


@pytest.mark.parametrize(
    "code",
    [
        "from otel_fe.pipeline.sampler import _MOST",
        "from otel_fe.instrument import libraries\nlibraries._describe()",
        "def f(successor): successor._remembered = 1",
    ],
)
def test_use_of_a_private_name_of_another_module_is_found(code):
    assert len(_reached_into("any.py", list(ast.walk(ast.parse(code))), {"_remembered"})) == 1


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


HEAVY = {"ray", "redis", "sqlalchemy", "sklearn", "numpy", "grpc", "pynvml", "plotly"}


def test_importing_otel_fe_and_switching_it_on_loads_no_extra():
    """`instrument()` imports no optional dependency; each is imported on its first use."""
    source = """
import sys, otel_fe
from otel_fe import FeatureExtractionInstrumentor, configure, extraction
FeatureExtractionInstrumentor().instrument()
print(*sys.modules)
FeatureExtractionInstrumentor().uninstrument()
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "otel_fe.instrument.instrumentor" in loaded
    assert HEAVY & loaded == set()
