"""PyTorch's memory on GPUs: which extraction raised the peak, and to what.

PyTorch keeps one peak a GPU, since its statistics were last reset. Resetting them at each start would give every extraction a
peak of its own, and the application, which may read and reset them too, wrong ones; so they are only read. Nothing is hooked in
PyTorch: extractions themselves look there, from its import on, so that without it they do nothing more. CUDA is never
initialised here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from otel_fe import faults, semconv
from otel_fe.instrument.extraction import Extraction
from otel_fe.instrument.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Callable

_BEFORE: Final = "_gpu_peaks_before"
_PEAK: Final = "_gpu_peak"
"""Attributes of an extraction: peaks by GPU when it began, and the one that it raised."""


def patches() -> list[Patch]:
    """Return what to replace in extractions, now that PyTorch is imported."""
    return [
        Patch(Extraction, "__init__", _beginning),
        Patch(Extraction, "_finish", _finishing),
        Patch(Extraction, "attributes", _telling),
    ]


def peaks() -> tuple[int, ...]:
    """Return the peak of each GPU so far, in bytes; nothing where CUDA is not in use, as in the children of a fork.

    The allocators of PyTorch's own (native, cudaMallocAsync) read only their own statistics for a GPU that is not in use. Others
    (`CUDAPluggableAllocator`) have none, and raise.
    """
    cuda: Any = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None or not cuda.is_initialized() or _allocator(cuda) == "pluggable":
        return ()
    found = (cuda.memory_stats_as_nested_dict(device) for device in range(cuda.device_count()))
    return tuple(int(stats["allocated_bytes"]["all"]["peak"]) if stats else 0 for stats in found)


def _allocator(cuda: Any) -> str:
    """Return the name of PyTorch's allocator; before 2.0 there was one, and no name."""
    asked = getattr(cuda, "get_allocator_backend", None)
    name: str = "native" if asked is None else asked()
    return name


def raised(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    """Return the largest peak that is higher than it was; 0 where none is. A GPU that was not in use had none."""
    was = before + (0,) * (len(after) - len(before))
    return max((now for earlier, now in zip(was, after, strict=False) if now > earlier), default=0)


def _beginning(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        try:
            setattr(self, _BEFORE, peaks())
        except Exception as fault:
            faults.record("torch.begin", fault)

    return replacement


def _finishing(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            before = getattr(self, _BEFORE, None)
            if before is not None:
                setattr(self, _PEAK, raised(before, peaks()))
        except Exception as fault:
            faults.record("torch.finish", fault)
        original(self, *args, **kwargs)

    return replacement


def _telling(original: Callable[..., Any]) -> Callable[..., Any]:
    def replacement(self: Any) -> dict[str, Any]:
        attributes: dict[str, Any] = original(self)
        peak = getattr(self, _PEAK, 0)
        if peak:
            attributes[semconv.GPU_MEMORY_PEAK] = peak
        return attributes

    return replacement
