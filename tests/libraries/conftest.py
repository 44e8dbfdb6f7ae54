"""A stand-in for PyTorch on two GPUs, since there are none here."""

from __future__ import annotations

import sys
import types

import pytest


class Cuda(types.ModuleType):
    """Two GPUs, as `torch.cuda` shows them."""

    def __init__(self):
        super().__init__("torch.cuda")
        self.peaks = [100, 0]
        self.initialised = True
        self.allocator = "native"

    def get_allocator_backend(self):
        return self.allocator

    def is_initialized(self):
        return self.initialised

    def device_count(self):
        assert self.initialised, "this would initialise CUDA"
        return len(self.peaks)

    def memory_stats_as_nested_dict(self, device):
        if self.allocator == "pluggable":
            raise RuntimeError("CUDAPluggableAllocator does not yet support getDeviceStats.")
        return {"allocated_bytes": {"all": {"peak": self.peaks[device], "current": 0}}}


@pytest.fixture
def cuda(monkeypatch):
    """Stand in for PyTorch, and return its `cuda`."""
    found, torch = Cuda(), types.ModuleType("torch")
    torch.cuda = found
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch.cuda", found)
    return found
