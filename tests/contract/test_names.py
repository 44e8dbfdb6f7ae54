"""Names: what is public is documented, and names that go over the wire stand in one place."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re

import pytest

import otel_fe
from otel_fe import alerting, anomalies, changes, errors, semconv
from tests.contract.sources import FILES, ROOT, functions_of, nodes_of, tree_of


def test_every_public_name_exists():
    """Every name in `otel_fe.__all__` can be read from `otel_fe`; an unknown name raises AttributeError."""
    for name in otel_fe.__all__:
        assert getattr(otel_fe, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        otel_fe.nonsense  # noqa: B018


@pytest.mark.parametrize(
    ("module", "former", "name"),
    [
        (alerting, "Reading", "Evaluation"),
        (anomalies, "Kind", "SeriesKind"),
        (anomalies, "Verdict", "PointVerdict"),
        (changes, "Compared", "BeforeAndAfter"),
        (otel_fe, "why", "explain_decision"),
    ],
)
def test_former_public_name_still_works(module, former, name):
    """A public name that was renamed can still be imported from its room, and is the same object."""
    assert getattr(module, former) is getattr(module, name)


def test_every_module_can_be_imported_by_itself():
    """Modules can be imported in any order."""
    for module in pkgutil.walk_packages(otel_fe.__path__, "otel_fe."):
        importlib.import_module(module.name)


def test_wire_names_stand_in_semconv_only():
    """No other module of the package spells a name of ours."""
    names = [attribute.name for attribute in semconv.ATTRIBUTES] + [metric.name for metric in semconv.METRICS]
    for path in FILES:
        if path.name == "semconv.py":
            continue
        literals = {
            node.value for node in nodes_of(path) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not literals & set(names), path


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_name_has_a_docstring(path):
    """Modules, classes and functions without a leading underscore say what they are."""
    tree = tree_of(path)
    local = {inner for function in functions_of(path) for inner in ast.walk(function) if inner is not function}
    named = [
        node
        for node in nodes_of(path)
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and not node.name.startswith("_")
        and node not in local
        and not _overload(node)
    ]
    missing = [node.name for node in named if ast.get_docstring(node) is None]
    assert not missing
    assert not tree.body or ast.get_docstring(tree)


def _overload(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(getattr(decorator, "id", "") == "overload" for decorator in decorators)


def test_the_tree_of_errors_is_the_one_that_is_drawn():
    """`otel_fe.errors` draws every error below `OtelFeError`, below the class that it derives from."""
    derived = {}
    for path in FILES:
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and node.bases:
                derived[node.name] = ast.unparse(node.bases[0]).rpartition(".")[2]
    ours = {"OtelFeError"}
    while more := {name for name, base in derived.items() if base in ours} - ours:
        ours |= more
    drawn, line_of_ancestors = {}, []
    for indent, name in re.findall(r"^    ([│├└─ ]*)(\w+Error)\b", errors.__doc__, re.MULTILINE):
        depth = len(indent) // 4
        drawn[name] = line_of_ancestors[depth - 1] if depth else "Exception"
        line_of_ancestors[depth:] = [name]
    assert drawn == {name: derived[name] for name in ours}


SHARED_CLASS_NAMES: dict[str, str] = {}
"""Names of public classes that several modules may define, and the reason for each."""


def test_public_class_name_is_defined_once():
    """A reader who searches for a class finds one; a second one says whose it is (`BudgetGroup`, `RuleGroup`)."""
    homes: dict[str, list[str]] = {}
    for path in FILES:
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())
    shared = {name: found for name, found in homes.items() if len(found) > 1}
    assert {name: found for name, found in shared.items() if name not in SHARED_CLASS_NAMES} == {}
    assert set(SHARED_CLASS_NAMES) <= set(shared), "no longer shared"
