"""Faults while a process ends: each in a process of its own, which breaks us itself and tells what it saw."""

from __future__ import annotations

from otel_fe import faults
from tests.integration.faulty.injection import injected
from tests.integration.launched import run, write

TERMINATED = """
import os, signal, sys, time
print("working", flush=True)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""
EXITING = """
import atexit, sys
atexit.register(print, "leaving")
sys.exit(3)
"""
CHILD = """
import multiprocessing, sys
def work(n):
    print("child", n, flush=True)
    sys.exit(n)
children = [multiprocessing.get_context("fork").Process(target=work, args=(n,)) for n in range(2)]
for child in children: child.start(); child.join()
print([child.exitcode for child in children])
"""
BREAKING = """
import importlib
def broken(*_args, **_kwargs): raise RuntimeError("ours")
owner = getattr(importlib.import_module({module!r}), {owner!r})
setattr(owner, {name!r}, property(broken) if {name!r} == "flush_new" else broken)
"""


def ended(app, source):
    """Run an application under the launcher; return its status and what it printed."""
    if app.injection is None:
        left_out = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "otel_fe"}
        breaking = ""
    else:
        left_out = {}
        module, _, qualname = app.injection.breaks[0].partition(":")
        owner, _, name = qualname.partition(".")
        breaking = BREAKING.format(module=module, owner=owner, name=name)
        app.injected.append(app.injection.breaks[0])
    got = run(
        write(app.folder, breaking + source), OTEL_TRACES_EXPORTER="none", OTEL_METRICS_EXPORTER="none", **left_out
    )
    if app.injection is not None and f"otel_fe: {app.injection.hook} failed and was skipped" in got.err:
        faults.record(app.injection.hook, RuntimeError("counted in that process, which logs its first"))
    return got.status, got.out


@injected("flush.provider", "sdk.flush", "otel_fe.sdk.processor:PipelineProcessor.force_flush", when="by itself")
@injected(
    "termination.flush",
    "instrument.termination",
    "otel_fe.instrument.process:ProcessPipeline._decide",
    when="by itself",
)
def sigterm(app):
    return ended(app, TERMINATED)


@injected(
    "termination.flush",
    "instrument.termination",
    "otel_fe.instrument.process:ProcessPipeline._decide",
    when="by itself",
)
def an_exit(app):
    return ended(app, EXITING)


@injected(
    "termination.child",
    "instrument.termination",
    "otel_fe.instrument.termination:Termination.flush_new",
    when="by itself",
)
def a_multiprocessing_child(app):
    return ended(app, CHILD)
