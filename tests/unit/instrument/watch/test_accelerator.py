"""Calls that wait for a GPU. No GPU is here: a stand-in for PyTorch's module says that one is in use, and calls in C take the time."""

from __future__ import annotations

import hashlib
import sys
import time
import types
from functools import partial

import pytest

import otel_fe
from otel_fe import faults
from otel_fe.instrument.causes.accelerator import synchronising
from tests.observed import instrumented

PREFIX = "feature_extraction."


@pytest.fixture
def watched():
    """Instrument with a short threshold: everything is slow that takes 40 ms."""
    faults.reset()
    with instrumented(slow_threshold_s=0.04, watch_threshold_s=0.005) as observed:
        yield observed
    assert not faults.counts()


def use_gpu(monkeypatch, *, initialised):
    """Put a module in place of PyTorch's that says whether CUDA is in use."""
    module = types.ModuleType("torch.cuda")
    module.is_initialized = lambda: initialised
    monkeypatch.setitem(sys.modules, "torch.cuda", module)


class Tensor:
    """Its methods are functions in C, as PyTorch's are: one sleeps, as a blocking wait does, the other spins."""

    item = staticmethod(partial(time.sleep, 0.1))
    cpu = staticmethod(partial(hashlib.pbkdf2_hmac, "sha256", b"x" * 64, b"y" * 64, 150_000))
    matmul = staticmethod(partial(hashlib.pbkdf2_hmac, "sha256", b"x" * 64, b"y" * 64, 150_000))


@pytest.mark.parametrize("call", ["item", "cpu"])
def test_a_call_that_needs_the_result_waits_for_the_gpu(watched, monkeypatch, call):
    """Whether it sleeps meanwhile or spins; with the line that calls."""
    use_gpu(monkeypatch, initialised=True)
    tensor = Tensor()
    with otel_fe.extraction("x"):
        tensor.item() if call == "item" else tensor.cpu()
    span = watched.extraction("x")
    assert span.attributes[f"{PREFIX}bottleneck"] == "gpu"
    assert "test_accelerator.py:" in span.attributes[f"{PREFIX}hotspot"]


def test_a_launch_is_cpu(watched, monkeypatch):
    """Nothing waits in it."""
    use_gpu(monkeypatch, initialised=True)
    tensor = Tensor()
    with otel_fe.extraction("x"):
        tensor.matmul()
    assert f"{PREFIX}time.gpu" not in watched.extraction("x").attributes


def test_without_a_gpu_the_same_calls_are_what_they_are(watched, monkeypatch):
    """PyTorch's CPU tensors have them, too."""
    use_gpu(monkeypatch, initialised=False)
    tensor = Tensor()
    with otel_fe.extraction("x"):
        tensor.item()
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
