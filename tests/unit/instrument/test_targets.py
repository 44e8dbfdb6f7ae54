"""Targets by name: found, replaced, put back; or one warning that says why not."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import pickle
import sys
import textwrap
from types import ModuleType

import pytest

from otel_fe import ConfigurationError
from otel_fe.instrument.cached import CachedTargets
from otel_fe.instrument.imports import ImportHooks
from otel_fe.instrument.script import runs_as_script
from otel_fe.instrument.target import parse_targets
from otel_fe.instrument.targets import Targets
from otel_fe.instrument.wrapping import is_wrapped
from tests.observed import instrumented

SOURCE = """
import functools, operator

class Base:
    def inherited(self): return "inherited"

class User(Base):
    def extract(self): return "extract"
    @staticmethod
    def static(x): return x
    @classmethod
    def of(cls): return cls
    @property
    def prop(self): return 1
    unreadable = property(None, lambda self, value: None)
    @functools.cached_property
    def cached_prop(self): return self
    def _power(self, x, y): return x ** y
    square = functools.partialmethod(_power, y=2)
    length = len
    class Inner:
        def deep(self): return "deep"

class Callable:
    def __call__(self): return "called"

instance = Callable()
def embed(text): return text.upper()
async def stream(text): yield text
builtin = len
half = functools.partial(operator.add, 1)
number = 5

@functools.lru_cache(maxsize=2)
def cached(x): return x if x < 2 else cached(x - 1)

@functools.lru_cache
def filled(x): return x
filled(1)
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Make a module `shop_x` importable, not imported yet."""
    (tmp_path / "shop_x.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("shop_x", None)
    sys.modules.pop("shop_copy", None)


def applied(value, kind=Targets):
    """Apply targets; return them and their hooks."""
    hooks = ImportHooks()
    targets = kind(value)
    targets.instrument(hooks)
    hooks.install()
    return targets, hooks


@pytest.mark.thorough
@pytest.mark.parametrize("late", [True, False], ids=["imported later", "imported already"])
def test_every_kind_is_wrapped_and_put_back(shop, late):
    """Functions, methods, static, class and inherited ones, nested classes; afterwards the module is what it was."""
    names = ["User.extract", "User.static", "User.of", "User.inherited", "User.Inner.deep", "embed", "builtin"]
    names += ["User.prop", "User.cached_prop", "User.square", "User.length", "half"]
    value = ",".join(f"shop_x:{name}={name}" for name in names)
    if not late:
        importlib.import_module("shop_x")
    with instrumented() as observed:
        targets, hooks = applied(value)
        module = importlib.import_module("shop_x")
        assert module.__loader__ is module.__spec__.loader
        assert type(module.__loader__).__name__ == "SourceFileLoader"
        user = module.User()
        assert (user.extract(), user.static(1), user.of(), user.inherited()) == ("extract", 1, module.User, "inherited")
        assert (module.User.Inner().deep(), module.embed("a"), module.builtin([1])) == ("deep", "A", 1)
        assert module.Base().inherited() == "inherited"
        assert (user.prop, user.cached_prop, user.cached_prop, user.square(3)) == (1, user, user, 9)
        assert (user.length([1]), module.half(2), module.half.func) == (1, 3, module.operator.add)
        assert [span.name for span in observed.extractions()] == [f"feature_extraction {name}" for name in names]
        assert len(targets.wrapped) == len(names)
        targets.uninstrument()
        hooks.remove()
        module.embed("a")
        assert len(observed.extractions()) == len(names)
    assert "inherited" not in vars(module.User)
    assert module.builtin is len
    assert isinstance(vars(module.User)["static"], staticmethod)
    assert type(vars(module.User)["prop"]) is property
    assert type(module.half) is module.functools.partial


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("shop_x:embbed", "the closest is embed"),
        ("shop_x:User.extrct", "the closest is extract"),
        ("shop_x:Usr.extract", "the closest is User"),
        ("shop_x:number", "it is a int, which cannot be called"),
        ("shop_x:User.unreadable", "it is a property that cannot be read"),
        ("shop_x:User", "it is a class; name one of its methods"),
        ("shop_x:instance", "name Callable.__call__"),
        ("builtins:str.upper", "cannot be replaced"),
        ("__main__:f", "exist only while it runs"),
    ],
)
def test_what_cannot_be_wrapped_is_one_warning_that_says_why(shop, caplog, target, reason):
    """The target, the reason and the closest name that exists."""
    importlib.import_module("shop_x")
    with caplog.at_level(logging.WARNING, "otel_fe"):
        targets, hooks = applied(target)
    targets.uninstrument()
    hooks.remove()
    (record,) = caplog.records
    assert target in record.getMessage()
    assert reason in record.getMessage()


def test_a_module_that_cannot_be_found_is_named_with_the_closest(shop, caplog):
    """A missing module is not named at once, since a path may still grow, but at the latest when otel_fe is switched off."""
    targets, hooks = applied("shop_y:embed")
    assert not caplog.records
    targets.uninstrument()
    hooks.remove()
    assert "no module shop_y; the closest is shop_x" in caplog.text


def test_a_copy_that_was_imported_before_counts(shop, tmp_path, caplog):
    """`from shop import embed` keeps the function, which is redirected; of an async generator, the holder is named."""
    (tmp_path / "shop_copy.py").write_text("from shop_x import embed, stream")
    copy = importlib.import_module("shop_copy")
    with instrumented(targets="shop_x:embed,shop_x:stream") as observed:
        copy.embed("x")
        assert observed.total("feature_extraction.duration") == 1
    (message,) = caplog.messages
    assert message.endswith(
        "shop_x:stream: shop_copy has held it since before it was wrapped; calls from there are not counted"
    )


@pytest.mark.parametrize("value", ["shop", "shop:", ":x", "a b:c", "shop:x,shop:x", "shop:x y=z"])
def test_a_malformed_entry_is_named(value):
    """The entry and the right form."""
    with pytest.raises(ConfigurationError, match="OTEL_FE_TARGETS"):
        parse_targets("OTEL_FE_TARGETS", value)


def test_cached_functions_count_hits_and_misses(shop):
    """A recursive cached function counts every look-up of itself; one that is filled already is refused."""
    import otel_fe

    with instrumented() as observed:
        targets, hooks = applied("shop_x:cached,shop_x:filled", CachedTargets)
        module = importlib.import_module("shop_x")
        assert list(targets.refused) == ["shop_x:filled"]
        with otel_fe.extraction("x"):
            assert module.cached(3) == 1  # 3, 2 and 1 are looked up, and missed
            assert module.cached(3) == 1  # found
        (span,) = observed.extractions()
        assert span.attributes["feature_extraction.cache.lookups"] == 4
        assert span.attributes["feature_extraction.cache.hits"] == 1
        assert module.cached.cache_info().maxsize == 2
        module.cached.cache_clear()
        targets.uninstrument()
        hooks.remove()


def test_cachetools_functions_count_too(tmp_path, monkeypatch):
    """`cachetools.cached` keeps its cache and its key function."""
    import otel_fe

    source = "import cachetools\n@cachetools.cached({})\ndef f(x):\n    return x * 2\nf(1)\n"
    (tmp_path / "shop_tools.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with instrumented() as observed:
        targets, hooks = applied("shop_tools:f", CachedTargets)
        module = importlib.import_module("shop_tools")
        with otel_fe.extraction("x"):
            assert (module.f(1), module.f(2), module.f(2)) == (2, 4, 4)
        (span,) = observed.extractions()
        assert span.attributes["feature_extraction.cache.lookups"] == 3
        assert span.attributes["feature_extraction.cache.hits"] == 2
        targets.uninstrument()
        hooks.remove()
    sys.modules.pop("shop_tools")


def test_import_hooks_survive_a_failing_callback_and_a_failing_module(tmp_path, monkeypatch):
    """A callback's fault is counted and the import succeeds; a module's own error is its own."""
    from otel_fe import faults

    (tmp_path / "shop_fine.py").write_text("x = 1")
    (tmp_path / "shop_broken.py").write_text("raise RuntimeError('mine')")
    monkeypatch.syspath_prepend(tmp_path)
    hooks = ImportHooks()
    seen = []

    def fail(module):
        raise ValueError(module)

    hooks.on_import("shop_fine", fail)
    hooks.on_import("shop_fine", seen.append)
    hooks.on_import("shop_broken", seen.append)
    hooks.install()
    before = faults.counts().get("imports.callback", 0)
    module = importlib.import_module("shop_fine")
    with pytest.raises(RuntimeError, match="mine"):
        importlib.import_module("shop_broken")
    hooks.remove()
    assert seen == [module]
    assert faults.counts()["imports.callback"] == before + 1
    sys.modules.pop("shop_fine")


HELD = """
import abc, functools, shop_registry

registry, route = [], {}

def register(function):
    registry.append(function)
    route["/"] = function
    return function

@register
def plain(x, *, y=1): return x + y

@register
async def coroutine(x): return x

@register
def generator(x):
    yield x

class Extractor(abc.ABC):
    @abc.abstractmethod
    def extract(self, x): return x

class Known(Extractor):
    def extract(self, x): return super().extract(x) + 1

class Base:
    def extract(self, x): raise NotImplementedError
    @staticmethod
    @shop_registry.keep
    def static(x): return x

class Derived(Base):
    def extract(self, x): return x
"""


@pytest.fixture
def held(tmp_path, monkeypatch):
    """Make a module `shop_held`, whose functions are held elsewhere as soon as they are defined, importable."""
    (tmp_path / "shop_registry.py").write_text("kept = []\ndef keep(f):\n    kept.append(f)\n    return f\n")
    (tmp_path / "shop_held.py").write_text(HELD)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("shop_held", "shop_registry"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("late", [True, False], ids=["imported later", "imported before"])
def test_a_function_that_is_registered_before_it_is_wrapped_counts(held, late):
    """A registry, a route and a module that imported the function call the very object that was defined."""
    if not late:
        importlib.import_module("shop_held")
    names = ("plain", "coroutine", "generator", "Base.static")
    with instrumented(targets=",".join(f"shop_held:{name}" for name in names)) as observed:
        module = importlib.import_module("shop_held")
        plain, coroutine, generator = module.registry
        (static,) = sys.modules["shop_registry"].kept
        assert (plain(1), plain(1, y=2), asyncio.run(coroutine(3)), list(generator(4)), static(5)) == (2, 3, 3, [4], 5)
        assert module.plain is plain
        assert str(inspect.signature(plain)) == "(x, *, y=1)"
        assert inspect.iscoroutinefunction(coroutine)
        assert inspect.isgeneratorfunction(generator)
        assert "return x + y" in inspect.getsource(plain)
        assert pickle.loads(pickle.dumps(plain)) is plain
        assert observed.total("feature_extraction.duration") == 5
    assert (plain(1), vars(plain)) == (2, {})
    assert observed.total("feature_extraction.duration") == 5


def test_of_an_abstract_method_the_implementations_count_once(held, caplog):
    """Existing and later implementations count; one that calls its base's implementation is one extraction."""
    with instrumented(targets="shop_held:Extractor.extract,shop_held:Base.extract") as observed:
        module = importlib.import_module("shop_held")

        class Later(module.Known):
            def extract(self, x):
                return super().extract(x) + 1

        assert [cls().extract(1) for cls in (module.Known, Later)] == [2, 3]
        with pytest.raises(TypeError):
            module.Extractor()
        assert observed.total("feature_extraction.duration") == 2
    assert not any(hasattr(vars(cls)["extract"], "held") for cls in (module.Extractor, module.Known, Later))
    assert "shop_held:Derived.extract overrides it; calls from there are not counted" in caplog.text


def test_what_a_compiler_holds_keeps_its_code_and_is_named(held, caplog):
    """numba and its like read a function's code when it is first called."""
    module = importlib.import_module("shop_held")
    dispatcher = type("Dispatcher", (), {"__module__": "numba.core.registry"})()
    dispatcher.py_func = module.plain
    code = module.plain.__code__
    with instrumented(targets="shop_held:plain"):
        assert dispatcher.py_func.__code__ is code
        assert module.plain is not dispatcher.py_func
    assert "a Dispatcher has held it since before it was wrapped; calls from there are not counted" in caplog.text


@pytest.mark.parametrize("way", ["reloaded", "imported anew"])
def test_a_module_that_is_loaded_again_is_wrapped_again(shop, way):
    """A module is wrapped again after importlib.reload, and after it was removed from sys.modules and imported."""
    with instrumented(targets="shop_x:embed,shop_x:User.extract") as observed:
        module = importlib.import_module("shop_x")
        for _ in range(2):
            if way == "reloaded":
                importlib.reload(module)
            else:
                del sys.modules["shop_x"]
                module = importlib.import_module("shop_x")
            module.embed("x")
            module.User().extract()
        assert observed.total("feature_extraction.duration") == 4
    assert not is_wrapped(module.embed)


@pytest.mark.parametrize(
    ("argv", "main", "module", "command"),
    [
        (["app.py"], {}, "app", "python app.py"),
        (["/srv/shop/app.py"], {}, "shop.app", "python /srv/shop/app.py"),
        (["app.py"], {}, "other", ""),
        (["/usr/bin/uvicorn"], {}, "uvicorn", ""),
        (["-m"], {}, "app", "python -m app"),
        (["-m"], {}, "pkg.__main__", ""),
        (["x"], {"__file__": "/srv/app.py"}, "app", "python /srv/app.py"),
        (["-c"], {}, "c", ""),
    ],
)
def test_the_module_that_runs_as_the_script_is_known(monkeypatch, argv, main, module, command):
    """Before it runs, from the command line; afterwards from `__main__` itself."""
    script = ModuleType("__main__")
    script.__dict__.update({"__spec__": None, **main})
    monkeypatch.setitem(sys.modules, "__main__", script)
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "dev", "-m", "app", "-m"], raising=False)
    assert runs_as_script(module) == command
