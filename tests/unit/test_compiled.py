"""Which of the two implementations of the hot path is used, and that a setting decides it which is checked like every other."""

from __future__ import annotations

import ast
import importlib
import inspect
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Generic, Protocol

import pytest

from otel_fe import compiled
from otel_fe.cli.main import main
from otel_fe.compiled import local_protocols, trace_protocols
from otel_fe.compiled.digest import source_digest
from otel_fe.config.settings import check_compiled, read_settings
from otel_fe.errors import ConfigurationError
from otel_fe.pipeline import trace
from otel_fe.sdk import span as sdk_span
from otel_fe.sdk import tracer
from otel_fe.wire import span

FOLDER = Path(compiled.__file__).parent
MODULES = "otel_fe.compiled.modules"


def _compiled_as(monkeypatch, modules):
    """Let the compiled modules be these."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, MODULES, modules)
    monkeypatch.setattr(compiled, "modules", modules, raising=False)


def _failing_to_import(monkeypatch, error):
    """Let importing the compiled modules raise."""

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == MODULES:
                raise error

    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, MODULES, raising=False)
    monkeypatch.delattr(compiled, "modules", raising=False)


@pytest.mark.parametrize("one", [set(), {source_digest(FOLDER)}], ids=["all", "one"])
def test_module_compiled_from_other_sources_is_refused(monkeypatch, one):
    """A stale module may have other signatures than its callers: one answered gRPC with INTERNAL."""
    _compiled_as(monkeypatch, SimpleNamespace(SOURCES={"of yesterday", *one}))

    assert compiled.load({}) == (
        None,
        "it was compiled from other sources than those of this version: install otel_fe again",
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImportError("undefined symbol: nonsense"), "ImportError: undefined symbol: nonsense"),
        (ValueError("Head size changed"), "ValueError: Head size changed"),  # what Cython raises where two do not fit
    ],
)
def test_module_that_cannot_be_loaded_says_why(monkeypatch, error, reason):
    _failing_to_import(monkeypatch, error)

    assert compiled.load({}) == (None, f"it cannot be loaded ({reason})")


def test_module_that_was_not_compiled_says_so(monkeypatch):
    _failing_to_import(monkeypatch, ModuleNotFoundError("No module named 'otel_fe.compiled.spans'"))

    assert compiled.load({}) == (None, "it was not compiled when otel_fe was installed")
    assert compiled.load({compiled.SWITCH: " False "}) == (None, "OTEL_FE_COMPILED=false")


def test_digest_changes_with_each_source(tmp_path):
    assert source_digest(tmp_path) == ""  # a distribution without sources: nothing to compare

    digests = [(tmp_path / name).write_text("x") and source_digest(tmp_path) for name in ("a.pyx", "b.pxd", "c.pyi")]
    (tmp_path / "b.pxd").write_text("y")
    digests.append(source_digest(tmp_path))

    assert digests[1] == digests[2]  # a .pyi is not compiled
    assert len(set(digests)) == 3


needs_it = pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")


@needs_it
def test_modules_in_use_are_compiled_from_the_sources_beside_them():
    assert {source_digest(FOLDER)} == compiled.backend.SOURCES
    assert compiled.missing == ""


@needs_it
def test_every_source_is_a_module_of_the_backend():
    """A source that is left out could be stale."""
    listed = ast.parse((FOLDER / "modules.py").read_text())
    (digests,) = (node.value for node in listed.body if isinstance(node, ast.AnnAssign))
    names = {name.id.strip("_").lower() for name in ast.walk(digests) if isinstance(name, ast.Name)}
    assert names >= {path.stem for path in FOLDER.glob("*.pyx")}


def _stubbed():
    """Yield each function and method of the stubs: its module's name, its own and its class's, and its arguments."""
    for path in sorted(FOLDER.glob("*.pyi")):
        for node in ast.parse(path.read_text()).body:
            inside = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]
            for each in inside:
                if isinstance(each, ast.FunctionDef):
                    yield path.stem, *((node.name,) if each is not node else ()), each


@needs_it
@pytest.mark.parametrize("stubbed", list(_stubbed()), ids=lambda found: ".".join([*found[:-1], found[-1].name]))
def test_stub_says_what_the_compiled_module_has(stubbed):
    """Type checkers hold the protocols to the stubs; the stubs are right."""
    module, *inside, function = stubbed
    found = importlib.import_module(f"otel_fe.compiled.{module}")
    for name in [*inside, function.name]:
        found = getattr(found, name)
    if not function.name.startswith("__") and not function.decorator_list:
        assert list(inspect.signature(found).parameters) == [argument.arg for argument in function.args.args]


_PROTOCOL_METHODS = ("__len__", "__iter__", "__getitem__", "__enter__", "__exit__")


def _public(kind):
    """Return the members of a class, or the fields and methods that a protocol asks for."""
    names = {name for each in kind.__mro__ if each not in (object, Protocol, Generic) for name in vars(each)}
    names |= {name for each in kind.__mro__ for name in vars(each).get("__annotations__", ())}
    return {name for name in names if not name.startswith("_") or name in _PROTOCOL_METHODS}


def _parameters(function):
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("protocol", "plain", "made"),
    [
        (trace_protocols.SpanHead, span._Plain, "Head"),
        (trace_protocols.RequestTraces, list, "Traces"),
        (trace_protocols.PendingTraces, None, "Waiting"),  # the plain sampler has them as objects of its own
        (local_protocols.LocalTraceFields, trace.PlainLocalTrace, "LocalTrace"),
        (local_protocols.SpanFields, sdk_span.PlainCore, "SpanCore"),
        (local_protocols.SpanBlock, tracer.PlainCurrent, "CurrentCore"),
    ],
)
def test_both_implementations_have_the_names_and_parameters_of_their_protocol(protocol, plain, made):
    """Type checkers hold the stubs and the plain classes to the protocols; this holds what is really there."""
    wanted = _public(protocol)
    assert wanted
    compiled_one = None if compiled.backend is None else getattr(compiled.backend, made)
    for implementation in (plain, compiled_one):
        if implementation is None:
            continue
        assert wanted <= set(dir(implementation)) | _public(implementation)  # plain fields may be annotations only
        for name in wanted:
            function = vars(protocol).get(name)
            if inspect.isfunction(function) and not name.startswith("__"):
                assert _parameters(getattr(implementation, name)) == _parameters(function), name


@needs_it
def test_compiled_module_has_nothing_public_that_its_protocol_lacks():
    """A method that only one side has would be called past the protocol; `make_attributes` is for subclasses to define."""
    for protocol, made in (
        (trace_protocols.SpanHead, "Head"),
        (trace_protocols.PendingTraces, "Waiting"),
        (local_protocols.LocalTraceFields, "LocalTrace"),
        (local_protocols.SpanFields, "SpanCore"),
        (local_protocols.SpanBlock, "CurrentCore"),
    ):
        public = {name for name in dir(getattr(compiled.backend, made)) if not name.startswith("_")}
        assert public - _public(protocol) <= {"make_attributes"}


@pytest.mark.parametrize("value", ["0", "no", "yes", "1"])
def test_switch_takes_true_false_and_required_only(value):
    for read in (check_compiled, read_settings):
        with pytest.raises(ConfigurationError, match="use true, false or required"):
            read({compiled.SWITCH: value})


def test_required_module_that_is_missing_is_an_error(monkeypatch):
    monkeypatch.setattr(compiled, "backend", None)
    monkeypatch.setattr(compiled, "missing", "it was not compiled when otel_fe was installed")

    with pytest.raises(ConfigurationError, match="no compiled module is in use: it was not compiled"):
        check_compiled({compiled.SWITCH: "required"})
    check_compiled({compiled.SWITCH: "true"})


def test_collector_refuses_a_switch_it_does_not_know(monkeypatch, capsys, tmp_path):
    """An unknown value of the switch is refused; `0` was once ignored and ran the compiled module."""
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
        names = runpy.run_path(str(Path(__file__).parents[2] / ".hatch" / "compile.py"))
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
