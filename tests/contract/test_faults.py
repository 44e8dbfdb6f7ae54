"""Every hook has a fault injected: the names are read from the source, so that a new hook cannot be forgotten."""

from __future__ import annotations

import ast
from functools import cache

from tests.contract.sources import FILES, PACKAGE, nodes_of


def _modules():
    """Return the name and the nodes of each module; Ray's hooks are those of tests/unit/ray/test_faults.py."""
    for path in FILES:
        if path.relative_to(PACKAGE).parts[0] in {"ray", "ray_integration.py"}:
            continue
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        yield name, nodes_of(path)


def _calls(nodes, name):
    """Return the calls of a function, by the last part of its name."""
    return [
        node
        for node in nodes
        if isinstance(node, ast.Call) and name == getattr(node.func, "attr", getattr(node.func, "id", ""))
    ]


@cache
def _background_tasks():
    """Return the names of the tasks that `Background` is made with; it counts each one's faults under its own."""
    return {
        task.elts[0].value
        for _, nodes in _modules()
        for call in _calls(nodes, "Background")
        for task in call.args[0].elts
    }


def _hooks():
    """Return each hook with the module it is in."""
    found = set()
    for module, nodes in _modules():
        for call in _calls(nodes, "record"):
            if not ast.unparse(call.func).startswith("faults."):
                continue
            name = call.args[0]
            if isinstance(name, ast.Constant):
                found.add((module, name.value))
            else:
                assert (module, ast.unparse(name)) == ("instrument.background", "f'background.{name}'"), (
                    f"{module}:{call.lineno}: write the hook's name out, so that this test can read it"
                )
                found |= {(module, f"background.{task}") for task in _background_tasks()}
    return found


def test_every_hook_has_a_fault_injected():
    """tests/integration/faulty/ injects a fault into every hook that `faults.record` names in the package, and into no other."""
    # Here: one worker imports scikit-learn for it, not each that collects this module.
    from tests.integration.faulty import INJECTIONS as OF_THE_PIPELINE
    from tests.libraries.test_faults_libraries import INJECTIONS as OF_LIBRARIES

    hooks = _hooks()
    assert len(hooks) > 40
    injected = {(injection.module, injection.hook) for injection in (*OF_THE_PIPELINE, *OF_LIBRARIES)}
    assert hooks - injected == set(), "these hooks have no injection"
    assert injected - hooks == set(), "these injections are of hooks that do not exist"


def test_every_handler_of_everything_counts():
    """`except Exception` around calls of the application hands what it caught to `faults.record`, raises, or says why not beside it."""
    for module, nodes in _modules():
        if not module.startswith(("instrument.", "sdk.", "resources.")):
            continue  # outside of the application's own calls, what fails is reported otherwise
        for node in nodes:
            if not isinstance(node, ast.ExceptHandler) or ast.unparse(node.type or ast.Constant("")) != "Exception":
                continue
            body = "\n".join(map(ast.unparse, node.body))
            counted = "faults.record(" in body or "raise" in body
            source = (PACKAGE / f"{module.replace('.', '/')}.py").read_text().splitlines()[node.lineno - 1]
            assert counted or "# noqa" in source, f"{module}:{node.lineno}"
