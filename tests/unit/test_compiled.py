"""Which of the two implementations of the hot path is used, and that a setting decides it which is checked like every other."""

from __future__ import annotations

import ast
import importlib
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from otel_fe import compiled
from otel_fe.cli.main import main
from otel_fe.compiled.digest import source_digest
from otel_fe.config.settings import check_compiled, read_settings
from otel_fe.errors import ConfigurationError

FOLDER = Path(compiled.__file__).parent


def test_module_compiled_from_other_sources_is_refused(monkeypatch):
    """It may be called otherwise than it was: a stale one answered gRPC with INTERNAL."""
    monkeypatch.setattr(importlib, "import_module", lambda _: SimpleNamespace(SOURCES="of yesterday"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)

    assert compiled.load({}) == (
        None,
        "it was compiled from other sources than those of this version: install otel_fe again",
    )


def test_module_that_cannot_be_loaded_says_why(monkeypatch):
    def broken(_name):
        raise ImportError("undefined symbol: nonsense")

    monkeypatch.setattr(importlib, "import_module", broken)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)

    assert compiled.load({}) == (None, "it cannot be loaded (undefined symbol: nonsense)")


def test_module_that_was_not_compiled_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)

    assert compiled.load({}) == (None, "it was not compiled when otel_fe was installed")
    assert compiled.load({compiled.SWITCH: " False "}) == (None, "OTEL_FE_COMPILED=false")


def test_digest_changes_with_each_source(tmp_path):
    assert source_digest(tmp_path) == ""  # a distribution without sources: nothing to compare

    digests = [(tmp_path / name).write_text("x") and source_digest(tmp_path) for name in ("a.pyx", "b.pxi", "c.pyi")]
    (tmp_path / "b.pxi").write_text("y")
    digests.append(source_digest(tmp_path))

    assert digests[1] == digests[2]  # a .pyi is not compiled
    assert len(set(digests)) == 3


@pytest.mark.skipif(compiled.spans is None, reason="not compiled, or switched off")
def test_module_in_use_is_compiled_from_the_sources_beside_it():
    assert source_digest(FOLDER) == compiled.spans.SOURCES
    assert compiled.missing == ""


def _signatures(body):
    return {
        node.name: [argument.arg for argument in node.args.args if argument.arg != "self"]
        for node in body
        if isinstance(node, ast.FunctionDef) and not node.decorator_list
    }


def test_protocol_declares_what_the_module_has():
    stub = ast.parse((FOLDER / "spans.pyi").read_text()).body
    (protocol,) = (
        node for node in ast.parse((FOLDER / "backend.py").read_text()).body if isinstance(node, ast.ClassDef)
    )
    classes = {node.name for node in stub if isinstance(node, ast.ClassDef) and not node.name.startswith("_")}

    assert _signatures(protocol.body) == _signatures(stub)
    assert classes == {node.name for node in protocol.body if isinstance(node, ast.FunctionDef) and node.decorator_list}
    if compiled.spans is not None:
        assert {name for name in [*classes, *_signatures(stub)] if not hasattr(compiled.spans, name)} == set()


@pytest.mark.parametrize("value", ["0", "no", "yes", "1"])
def test_switch_takes_true_false_and_required_only(value):
    for read in (check_compiled, read_settings):
        with pytest.raises(ConfigurationError, match="use true, false or required"):
            read({compiled.SWITCH: value})


def test_required_module_that_is_missing_is_an_error(monkeypatch):
    monkeypatch.setattr(compiled, "spans", None)
    monkeypatch.setattr(compiled, "missing", "it was not compiled when otel_fe was installed")

    with pytest.raises(ConfigurationError, match="no compiled module in use: it was not compiled"):
        check_compiled({compiled.SWITCH: "required"})
    check_compiled({compiled.SWITCH: "true"})


def test_collector_refuses_a_switch_it_does_not_know(monkeypatch, capsys, tmp_path):
    """It was ignored: `0` ran the compiled module."""
    monkeypatch.setenv(compiled.SWITCH, "0")
    config = tmp_path / "c.yaml"
    config.write_text("")

    assert main(["collector", "--config", str(config)]) != 0

    said = capsys.readouterr().err
    assert "OTEL_FE_COMPILED" in said
    assert "use true, false or required" in said


class Hook:
    """The build hook with a compiler that fails."""

    def __init__(self, monkeypatch, raises, switch):
        interface = SimpleNamespace(BuildHookInterface=object)  # hatchling is only there while a wheel is built
        monkeypatch.setitem(sys.modules, "hatchling.builders.hooks.plugin.interface", interface)
        names = runpy.run_path(str(FOLDER.parents[1] / ".hatch" / "compile.py"))
        initialize = names["CompileHook"].initialize

        def compile_beside(_root):
            raise raises

        monkeypatch.setitem(initialize.__globals__, "compile_beside", compile_beside)
        monkeypatch.setenv(compiled.SWITCH, switch)
        self.data = {"artifacts": []}
        self.run = lambda: initialize(SimpleNamespace(target_name="wheel", root="/nowhere"), "standard", self.data)


@pytest.mark.parametrize("error", [ImportError("No module named 'Cython'"), SystemExit("no compiler")])
def test_build_goes_on_without_a_compiler_and_says_why(monkeypatch, capsys, error):
    hook = Hook(monkeypatch, error, "true")

    hook.run()

    assert f"not compiled, and so slower as a collector: {type(error).__name__}: {error}" in capsys.readouterr().err
    assert hook.data == {"artifacts": []}


@pytest.mark.parametrize("error", [ImportError("No module named 'Cython'"), SystemExit("no compiler")])
def test_build_that_requires_the_module_fails_without_it(monkeypatch, error):
    with pytest.raises(type(error)):
        Hook(monkeypatch, error, "required").run()


def test_build_ends_when_it_is_interrupted(monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        Hook(monkeypatch, KeyboardInterrupt(), "true").run()
