"""Calls that wait for a GPU, by the names that a statement calls.

Launching a kernel returns at once, and is CPU. A call that needs the result waits until the GPU has come so far, mostly
spinning: its time is the GPU's though the thread's CPU clock moves. Such calls cannot be recognised by their system
calls, so they are matched by name, and only while the process uses a GPU: without one, `.item()` and `.cpu()` are
ordinary calls.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_PYTORCH: Final = frozenset(("synchronize", "_cuda_synchronize", "item", "cpu", "tolist", "numpy", "nonzero"))
"""Of PyTorch: `torch.cuda.synchronize`, events and streams; and copies to the host, which wait for what they copy."""
_CUPY: Final = frozenset(("synchronize", "item", "get", "asnumpy", "tolist"))
_JAX: Final = frozenset(("block_until_ready", "device_get"))


def synchronising() -> AbstractSet[str]:
    """Return the names of calls that wait for a GPU that this process uses; empty where it uses none."""
    found: AbstractSet[str] = frozenset()
    if _uses_pytorch(sys.modules.get("torch.cuda")):
        found = _PYTORCH
    if "cupy" in sys.modules:
        found |= _CUPY
    if "jaxlib.cuda" in sys.modules or "jax_cuda12_plugin" in sys.modules or "jax_cuda13_plugin" in sys.modules:
        found |= _JAX
    return found


def _uses_pytorch(cuda: Any) -> bool:
    """Return whether PyTorch has a CUDA or ROCm context; asking initialises none."""
    try:
        return cuda is not None and bool(cuda.is_initialized())
    except Exception:  # noqa: BLE001 of a build without CUDA, or half imported
        return False
