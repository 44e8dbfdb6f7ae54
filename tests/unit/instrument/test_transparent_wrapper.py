"""A target that is more than a function stays all that it is, and each call of it is an extraction."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import operator
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Sized

import cloudpickle
import joblib
import numpy as np
import pytest

import otel_fe
from otel_fe.instrument.cached import CachedTargets
from otel_fe.instrument.imports import ImportHooks
from otel_fe.instrument.spec import Spec
from otel_fe.instrument.targets import Targets
from otel_fe.instrument.transparent_wrapper import is_stand_in
from otel_fe.instrument.wrapping import is_wrapped, wrap
from otel_fe.testing import capture

SPEC = Spec("x")


def counting(function):
    """Decorate as many do: with a count that the decorator's own function keeps on itself."""

    @functools.wraps(function)
    def counter(*args):
        counter.calls += 1
        return function(*args)

    counter.calls = 0
    return counter


@counting
def counted(value):
    """Return it."""
    return value


@functools.lru_cache(maxsize=8)
def cached(value):
    """Return a new object."""
    return [value]


def test_one_function_can_be_a_target_and_a_cache(tmp_path, monkeypatch):
    """Each call is an extraction, whose look-up counts; it keeps its cache's methods, and is put back."""
    (tmp_path / "shop_both.py").write_text("import functools\n@functools.lru_cache(maxsize=3)\ndef f(x): return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("shop_both")
    before = id(module.f)
    with capture() as found:
        applied = [Targets("shop_both:f"), CachedTargets("shop_both:f")]
        for targets in applied:
            targets.instrument(ImportHooks())
            assert targets.wrapped == ["shop_both:f"]
        assert (module.f(1), module.f(1)) == (1, 1)
        assert module.f.cache_info() == (1, 1, 3, 1)
        hits = [span.attributes["feature_extraction.cache.hits"] for span in found.extractions()]
        assert hits == [0, 1]
        for targets in reversed(applied):
            targets.uninstrument()
    assert id(module.f) == before
    sys.modules.pop("shop_both")


class Shop:
    """Has a cached method."""

    @functools.lru_cache  # noqa: B019 what users write
    def price(self, item):
        """Return a new object."""
        return [self, item]


def test_lru_cache_keeps_its_methods_and_its_type(observed):
    """`cache_info`, `cache_clear` and `cache_parameters` answer, and `isinstance` is what it was."""
    wrapped = wrap(cached, SPEC)
    cached.cache_clear()
    assert wrapped(1) is wrapped(1)
    assert wrapped.cache_info() == cached.cache_info()
    assert wrapped.cache_info().hits == 1
    assert wrapped.cache_parameters() == {"maxsize": 8, "typed": False}
    wrapped.cache_clear()
    assert wrapped.cache_info().currsize == 0
    assert isinstance(wrapped, functools._lru_cache_wrapper)
    assert wrapped.__wrapped__ is cached
    assert inspect.unwrap(wrapped) is cached.__wrapped__
    assert (wrapped.__name__, wrapped.__doc__, wrapped.__module__) == (cached.__name__, cached.__doc__, __name__)
    assert inspect.signature(wrapped) == inspect.signature(cached)
    assert is_wrapped(wrapped)
    assert wrap(wrapped, SPEC) is wrapped
    assert len(observed.extractions()) == 2


def test_a_cached_method_still_binds(observed, monkeypatch):
    """The instance is part of the key, as without us."""
    monkeypatch.setattr(Shop, "price", wrap(vars(Shop)["price"], SPEC))
    shop = Shop()
    assert shop.price("a") is shop.price("a")
    assert Shop.price(shop, "a") is shop.price("a")
    assert Shop.price.cache_info().misses == 1
    assert len(observed.extractions()) == 4


def test_attributes_of_a_function_are_live(observed):
    """Reading and writing an attribute of the wrapper reads and writes the wrapped function's."""
    wrapped = wrap(counted, SPEC)
    counted.calls = 0
    wrapped(1)
    assert wrapped.calls == counted.calls == 1
    wrapped.calls = 5
    assert counted.calls == 5
    assert vars(wrapped) is vars(counted)
    assert "calls" in dir(wrapped)
    assert inspect.isfunction(wrapped)
    assert inspect.signature(wrapped) == inspect.signature(counted)
    assert len(observed.extractions()) == 1


def test_a_stand_in_has_the_special_methods_of_its_object_and_no_others():
    """pandas takes whatever has `__iter__` for a list, NumPy whatever has `__len__` and `__getitem__`."""
    plain, indexed = wrap(functools.partial(len), SPEC), wrap(Indexed(), SPEC)
    assert not isinstance(plain, (Iterable, Sized))
    assert not hasattr(plain, "__iter__")
    assert np.asarray(plain).shape == ()
    assert indexed["a"] == "a"
    assert len(indexed) == 3
    assert isinstance(indexed, Sized)


class Indexed:
    """A callable with special methods, as a CUDA kernel of numba's."""

    def __call__(self):
        return "called"

    def __getitem__(self, item):
        return item

    def __len__(self):
        return 3


def test_a_builtin_function_in_a_class_does_not_become_a_method(observed):
    """Functions written in C do not bind."""

    class Uses:
        size = wrap(len, SPEC)

    assert Uses().size([1, 2]) == 2
    assert len(observed.extractions()) == 1


def test_a_stand_in_equals_its_object():
    """Registries that are keyed by the object find it either way."""
    wrapped = wrap(cached, SPEC)
    assert wrapped == cached
    assert cached == wrapped
    assert {cached: 1}[wrapped] == 1
    assert wrapped != counted
    assert repr(wrapped) == repr(cached)


@pytest.mark.parametrize("pickler", [pickle, cloudpickle], ids=lambda module: module.__name__)
def test_what_is_importable_is_pickled_by_its_name(pickler, monkeypatch):
    """The other side gets what stands there, as without us."""
    for name in ("cached", "counted"):
        wrapped = wrap(getattr(sys.modules[__name__], name), SPEC)
        monkeypatch.setattr(sys.modules[__name__], name, wrapped)
        assert pickler.loads(pickler.dumps(wrapped)) is wrapped


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_not_importable_is_pickled_with_its_object(observed, protocol):
    """An object that is not importable is pickled with its wrapper, and counted where it is unpickled."""
    wrapped = wrap(functools.partial(operator.add, 1), SPEC)
    again = pickle.loads(pickle.dumps(wrapped, protocol))
    assert (again(2), again.args, type(again.__wrapped__)) == (3, (1,), functools.partial)
    assert len(observed.extractions()) == 1


def test_copies_are_what_copies_of_the_object_are(observed):
    """A function copies as itself, a partial as a new one that counts too."""
    function, part = wrap(counted, SPEC), wrap(functools.partial(operator.add, []), SPEC)
    assert copy.copy(function) is function
    assert copy.deepcopy(function) is function
    deep = copy.deepcopy(part)
    assert is_stand_in(deep)
    assert deep.args[0] is not part.args[0]
    assert deep([1]) == [1]
    assert len(observed.extractions()) == 1


def clone(estimator):
    from sklearn.base import clone as cloned

    return cloned(estimator)


@pytest.mark.parametrize("again", [clone, copy.deepcopy, lambda e: cloudpickle.loads(cloudpickle.dumps(e))])
def test_objects_that_hold_ours_can_be_cloned_copied_and_pickled(observed, again):
    """scikit-learn's `clone`, `deepcopy` and cloudpickle, of a wrapped function, a block and a monitor."""
    from tests.unit.instrument.estimator import Estimator

    monitor = otel_fe.FeatureExtractionPerformanceMonitor("m", history_size=5)
    monitor.start_extraction()
    monitor.end_extraction(5.0)
    found = again(Estimator(wrap(functools.partial(len), SPEC), otel_fe.extraction("b", library="l"), monitor))
    assert found.function([1]) == 1
    with found.block:
        pass
    found.monitor.start_extraction()
    found.monitor.end_extraction(7.0)
    assert found.monitor.get_performance_stats().history_size == 2
    assert monitor.get_performance_stats().history_size == 1
    spans = {span.name.split()[1]: span for span in observed.extractions()}
    assert len(observed.extractions()) == 4
    assert set(spans) == {"m", "x", "b"}
    assert spans["b"].attributes["feature_extraction.library"] == "l"


def test_an_object_that_holds_a_running_extraction_can_be_copied_and_pickled(observed):
    """A copy works for the same extraction; where it is unpickled there is none, and its calls have no effect."""
    from tests.unit.instrument.estimator import Estimator

    with otel_fe.extraction("x") as running:
        holder = Estimator(block=running)
        assert copy.deepcopy(holder).block is running
        again = pickle.loads(pickle.dumps(holder)).block
        again.cache_hit()
        assert not again.span.is_recording()
        assert pickle.loads(pickle.dumps(again)) is again
        copy.deepcopy(holder).block.cache_hit()
    (span,) = observed.extractions()
    assert span.attributes["feature_extraction.cache.lookups"] == 1


SOURCE = """
import joblib
memory = joblib.Memory({folder!r}, verbose=0)
@memory.cache
def extract(user):
    return user + {added}
def plain(user):
    return user + {added}
"""
SCRIPT = """
import joblib, otel_fe
from otel_fe.testing import capture
from otel_fe.instrument.imports import ImportHooks
from otel_fe.instrument.targets import Targets
with capture() as observed:
    Targets("shop_m:extract,shop_m:plain").instrument(hooks := ImportHooks())
    hooks.install()
    import shop_m
    answers = shop_m.extract(1), shop_m.memory.cache(shop_m.plain)(1)
    print(*answers, len(observed.extractions()))
"""


@pytest.mark.thorough
def test_joblib_memory_forgets_results_of_code_that_was_edited(tmp_path):
    """joblib forgets results of edited code as without us, whether the target is `Memory.cache`'s result or its argument."""
    seen = []
    for added in (1, 1, 2):
        source = SOURCE.format(folder=str(tmp_path / "cache"), added=added)
        (tmp_path / "shop_m.py").write_text(textwrap.dedent(source))
        done = subprocess.run(
            [sys.executable, "-B", "-W", "ignore", "-c", SCRIPT],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        seen.append(done.stdout.split())
    # The second run has both results in its cache: one is looked up in the extraction, the other instead of it.
    assert seen == [["2", "2", "2"], ["2", "2", "1"], ["3", "3", "2"]]


def test_joblib_memory_keeps_its_methods(tmp_path, monkeypatch):
    """`clear`, `check_call_in_cache` and `store_backend`, on a target by name, and all put back."""
    (tmp_path / "shop_n.py").write_text(SOURCE.format(folder=str(tmp_path / "cache"), added=1))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("shop_n")
    before = module.extract
    targets = Targets("shop_n:extract")
    targets.instrument(ImportHooks())
    assert module.extract(1) == 2
    assert module.extract.check_call_in_cache(1)
    assert isinstance(module.extract, joblib.memory.MemorizedFunc)
    module.extract.clear(warn=False)
    assert not module.extract.check_call_in_cache(1)
    assert pickle.loads(pickle.dumps(module.extract)) is module.extract
    targets.uninstrument()
    assert module.extract is before
    sys.modules.pop("shop_n")


class Decorated:
    """Every kind of descriptor, decorated from above, bare and with arguments."""

    @otel_fe.extraction
    @classmethod
    def of(cls):
        """Return the class."""
        return cls

    @otel_fe.extraction("static")
    @staticmethod
    def static(value):
        """Return it."""
        return value

    @otel_fe.extraction
    @property
    def prop(self):
        """Return it."""
        return self

    @prop.setter
    def prop(self, value):
        self.given = value

    @otel_fe.extraction("cached")
    @functools.cached_property
    def computed(self):
        """Return a new object."""
        return [self]

    double = otel_fe.extraction("partial")(functools.partialmethod(lambda self, x, y: (self, x * y), y=2))
    added = otel_fe.extraction(functools.partial(operator.add, 1))


@pytest.mark.filterwarnings(
    "ignore:functools.partial will be:FutureWarning"
)  # Python 3.13 says so of every one in a class
def test_the_decorator_works_above_every_descriptor(observed):
    """Each stays of its kind; a cached property is one extraction."""
    shop = Decorated()
    assert shop.of() is Decorated.of() is Decorated
    assert shop.static(1) == Decorated.static(1) == 1
    assert shop.prop is shop
    shop.prop = 7
    assert shop.given == 7
    assert shop.computed is shop.computed
    assert shop.double(2) == (shop, 4)
    assert shop.added(1) == 2
    held = vars(Decorated)
    assert [type(held[name]) for name in ("of", "static", "prop", "computed")] == [
        classmethod,
        staticmethod,
        property,
        functools.cached_property,
    ]
    assert Decorated.prop.__doc__ == "Return it."
    functions = [span.attributes.get("code.function.name") for span in observed.extractions()]
    assert len(functions) == 8
    assert functions[0] == f"{__name__}.Decorated.of"
    assert functions[4] == f"{__name__}.Decorated.prop"
    assert functions[5] == f"{__name__}.Decorated.computed"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "feature_set is None; use a str"),
        (b"x", "feature_set is b'x'; use a str"),
        (5, "feature_set is 5; use a str"),
        (Shop, "it is a class; name one of its methods"),
        (property(None, print), "cannot be read"),
    ],
    ids=["None", "bytes", "int", "class", "write-only"],
)
def test_what_cannot_be_an_extraction_is_refused_at_once(given, said):
    """An object that cannot be decorated is refused at its declaration, not at its first call."""
    with pytest.raises(TypeError, match=said):
        otel_fe.extraction(given)


def test_arguments_and_what_is_decorated_are_checked():
    """Each refusal names the argument and its value."""
    for options, said in (({"library": None}, "library is None"), ({"batch_size": "32"}, "batch_size is '32'")):
        with pytest.raises(TypeError, match=said):
            otel_fe.extraction("x", **options)
    with pytest.raises(TypeError, match="it is a NoneType, which cannot be called"):
        otel_fe.extraction("x")(None)
    assert otel_fe.extraction("x", batch_size=np.int64(3)) is not None


def test_switched_off_a_block_offers_all_that_it_offers_when_on(observed):
    """Code that was written while otel_fe was on must not fail while it is off."""
    from otel_fe.instrument.extraction import Extraction
    from otel_fe.instrument.inert import INERT

    hidden = {"suspend", "resume", "resume_if_suspended", "pause_cpu", "resume_cpu", "forget_cpu", "finish"}
    public = {name for name in dir(INERT) if not name.startswith("_")}
    assert public >= {"span", "cache_hit", "cache_miss", "fail"}
    assert public <= {name for name in dir(Extraction) if not name.startswith("_")} - hidden
    with otel_fe.extraction("x") as running:
        on = running.span.is_recording()
    assert on
    assert not INERT.span.is_recording()
    INERT.span.set_attribute("a", 1)
