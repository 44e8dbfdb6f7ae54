"""Faults while modules are imported and targets replaced, and in functions under a cache."""

from __future__ import annotations

import importlib
import sys

import otel_fe
from otel_fe.instrument.launcher import pre_instrument
from tests.integration.faulty.injection import injected, tried

SHOP = """
import functools

def embed(text):
    return [10 // len(text)]

@functools.lru_cache(maxsize=8)
def age(user):
    return 10 // user
"""
NAME = "shop_of_faults"


def imported(app):
    """Import the shop for the first time."""
    (app.folder / f"{NAME}.py").write_text(SHOP)
    sys.path.insert(0, str(app.folder))
    try:
        return importlib.import_module(NAME)
    finally:
        sys.path.remove(str(app.folder))
        del sys.modules[NAME]
        importlib.invalidate_caches()


@injected(
    "imports.watch",
    "instrument.imports",
    "otel_fe.instrument.imports:_WatchedLoader",
    settings={"targets": f"{NAME}:embed"},
)
@injected(
    "imports.callback",
    "instrument.imports",
    "otel_fe.instrument.targets:Targets._replaced_one",
    settings={"targets": f"{NAME}:embed"},
)
@injected("imports.callback", "instrument.imports", "otel_fe.instrument.libraries:Libraries.hook", when="before")
def a_module_with_a_target(app):
    shop = imported(app)
    return (
        [tried(shop.embed, text) for text in ("abc", "")],
        type(shop.__loader__),
        type(shop.__spec__.loader),
        shop.__spec__.origin == shop.__file__,
    )


@injected(
    "targets.report",
    "instrument.targets",
    "otel_fe.instrument.targets:_not_importable",
    settings={"targets": "nowhere:f"},
)
def a_target_that_never_comes(_app):
    with otel_fe.extraction("x"):
        return 5


@injected(
    "cached.count",
    "instrument.cached",
    "otel_fe.instrument.live_measurements:LiveMeasurements.looked_up",
    settings={"caches": f"{NAME}:age"},
)
def a_cached_function(app):
    shop = imported(app)
    with otel_fe.extraction("x"):
        return [tried(shop.age, user) for user in (5, 5, 0, 0)], shop.age.cache_info()


@injected("launcher.providers", "instrument.launcher", "otel_fe.sdk.providers:ensure_providers")
def the_launcher(app):
    # Without otel_fe it is never called.
    return None if app.injection is None else pre_instrument()
