"""Memory of the process and load of its GPUs, read as cheaply as the platform allows.

On Linux resident memory is one `pread` of `/proc/self/statm` (psutil needs twenty times that). Between two round trips to a
cache even that costs as much as all else that an extraction measures, so a reading is good for five milliseconds: an
extraction that lasts longer than one reads afresh at its end, shorter ones share. Pages are not touched fast enough for more
than some MB to appear within that grain. Elsewhere psutil samples it
once a second in the background, so that growth within one extraction is only seen to that grain. GPUs are always
sampled in the background, through NVML.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from otel_fe.forks import after_fork

if TYPE_CHECKING:
    from otel_fe.instrument.gpu import GpuLoad

_STATM: Final = "/proc/self/statm"
_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

GRAIN_NS: Final = 5_000_000
"""The validity of a reading, unless a fresh one is requested."""

_sampled_rss = 0
_read_at_ns = -GRAIN_NS
_gpu: GpuLoad | None = None


def _open_statm() -> int:
    """Return a file descriptor of our own statm, or -1 where there is none."""
    try:
        return os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, AttributeError):
        return -1


def _statm_rss(now_ns: int, grain_ns: int = GRAIN_NS) -> int:
    global _sampled_rss, _read_at_ns  # noqa: PLW0603 a race of two threads costs one more read
    if now_ns - _read_at_ns >= grain_ns:
        _read_at_ns = now_ns
        try:
            _sampled_rss = int(os.pread(_statm, 64, 0).split(b" ", 2)[1]) * _PAGE
        except (OSError, ValueError, IndexError):  # a daemon that closes every file has closed ours as well
            _reopen()
    return _sampled_rss


def _reopen() -> None:
    """Open statm again. The old descriptor now belongs to a file of the application's, and stays open."""
    global _statm, _statm_file  # noqa: PLW0603 a race of two threads costs one descriptor
    _statm = _open_statm()
    _statm_file = _file_of(_statm)


def _file_of(descriptor: int) -> tuple[int, int] | None:
    """Return the device and inode of the file behind a descriptor; None where there is none."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _background_rss(now_ns: int, grain_ns: int = GRAIN_NS) -> int:  # noqa: ARG001 the same signature everywhere
    return _sampled_rss


_statm = _open_statm()
_statm_file = _file_of(_statm)
"""To know our own descriptor by, before it is closed."""
rss_bytes: Final = _statm_rss if _statm >= 0 else _background_rss
"""Return the resident memory of this process, in bytes; 0 where it has not been sampled yet.

Args: the monotonic time, in ns; and how old a reading may be, 0 for a fresh one.
"""


def sample_rss() -> None:
    """Read resident memory through psutil, where the platform offers nothing cheaper; called in the background."""
    global _sampled_rss  # noqa: PLW0603 elsewhere than on Linux, this is the only writer
    if rss_bytes is _background_rss:
        import psutil  # noqa: PLC0415 7 ms of imports that Linux never needs

        _sampled_rss = psutil.Process().memory_info().rss


def gpu() -> GpuLoad | None:
    """Return the last sample of the GPUs, or None without one."""
    return _gpu


def set_gpu(load: GpuLoad | None) -> None:
    """Replace the last sample of the GPUs; called in the background."""
    global _gpu  # noqa: PLW0603 one writer, the background thread
    _gpu = load


def _after_fork() -> None:
    """Reopen statm: an open `/proc/self` file keeps showing the process that opened it."""
    global _gpu, _read_at_ns  # noqa: PLW0603 the child has one thread here
    if _statm >= 0:
        if _file_of(_statm) == _statm_file:
            os.close(_statm)
        _reopen()
    _gpu = None
    _read_at_ns = -GRAIN_NS


after_fork(_after_fork)
