"""Calls that wait for a GPU. No GPU is here: a stand-in for PyTorch's module says that one is in use, and calls in C take the time."""

from __future__ import annotations

import hashlib
import sys
import time
import types
from functools import partial

import pytest

import otel_fe
from otel_fe.instrument.causes.accelerator import synchronising
from tests.unit.instrument.watch.spans import PREFIX

TOP = f"{PREFIX}stacks.top"


def use_gpu(monkeypatch, *, initialised):
    """Put a module in place of PyTorch's that says whether CUDA is in use."""
    module = types.ModuleType("torch.cuda")
    module.is_initialized = lambda: initialised
    monkeypatch.setitem(sys.modules, "torch.cuda", module)


class Tensor:
    """A tensor whose methods are functions in C, as PyTorch's are: one sleeps, as a blocking wait does, the other spins."""

    item = staticmethod(partial(time.sleep, 0.1))
    cpu = staticmethod(partial(hashlib.pbkdf2_hmac, "sha256", b"x" * 64, b"y" * 64, 500_000))
    matmul = staticmethod(partial(hashlib.pbkdf2_hmac, "sha256", b"x" * 64, b"y" * 64, 500_000))


def reads_item():
    Tensor().item()


def copies_to_the_host():
    Tensor().cpu()


def launches():
    Tensor().matmul()


def until_looked_at(running, call):
    """Call until the watcher has looked at the extraction several times, however late it comes on a busy machine."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (running.watched is None or len(running.watched.segments) < 3):
        call()


@pytest.mark.parametrize("call", [reads_item, copies_to_the_host], ids=["sleeping", "spinning"])
def test_a_call_that_needs_the_result_waits_for_the_gpu(watched, monkeypatch, call):
    """A call that needs the result counts as GPU wait, whether it sleeps or spins, and the event names the calling line."""
    use_gpu(monkeypatch, initialised=True)
    with otel_fe.extraction("x") as running:
        until_looked_at(running, call)
    span = watched.extraction("x")
    assert span.attributes[f"{PREFIX}time.gpu"] > 0
    (event,) = span.events
    assert any(line.startswith("gpu ") and "test_accelerator.py:" in line for line in event.attributes[TOP])


def test_a_launch_is_cpu(watched, monkeypatch):
    """Launching a kernel waits for no result, so it adds no GPU time."""
    use_gpu(monkeypatch, initialised=True)
    with otel_fe.extraction("x") as running:
        until_looked_at(running, launches)
    assert f"{PREFIX}time.gpu" not in watched.extraction("x").attributes


def test_without_a_gpu_the_same_calls_are_what_they_are(watched, monkeypatch):
    """PyTorch's CPU tensors have them, too."""
    use_gpu(monkeypatch, initialised=False)
    with otel_fe.extraction("x") as running:
        until_looked_at(running, reads_item)
    span = watched.extraction("x")
    assert f"{PREFIX}time.gpu" not in span.attributes
    assert span.attributes[f"{PREFIX}time.sleep"] > 0


def test_a_build_without_cuda_is_no_gpu(monkeypatch):
    """Whatever asking it raises."""
    module = types.ModuleType("torch.cuda")
    monkeypatch.setitem(sys.modules, "torch.cuda", module)
    assert not synchronising()
    module.is_initialized = lambda: 1 / 0
    assert not synchronising()
