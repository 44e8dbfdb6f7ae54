"""GPU sampling through the real `pynvml`, over a driver written in Python instead of a GPU. The calls, checks and types of `pynvml` are
those that a real GPU's figures go through.

Also run with the oldest `pynvml`, by tests/libraries/test_torch.py.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import logging
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pynvml
import pytest

from otel_fe.instrument import gpu
from otel_fe.instrument.gpu import GpuLoad, GpuSampler

ME = os.getpid()
UNKNOWN = 2**64 - 1
"""The driver's value for a process whose memory it does not report; pynvml returns None for it."""


@dataclass
class Card:
    """One GPU."""

    busy: int = 30
    used: int = 8_000
    computing: list[tuple[int, int]] = field(default_factory=list)
    """Processes, and what each holds."""
    sharing: list[tuple[int, int]] = field(default_factory=list)
    """Likewise, of the clients of MPS."""
    refuses: dict[str, int] = field(default_factory=dict)
    """Errors, by part of a function's name."""


class Driver:
    """The library that pynvml loads, as far as it is called here. Arguments are those of ctypes: `_obj` is what `byref` refers to."""

    def __init__(self, *cards, missing=()):
        self.cards = cards
        self.missing = missing
        self.asked = []

    def __getattr__(self, name):
        if name.startswith("nvml") and not any(part in name for part in self.missing):
            return lambda *arguments: self._call(name, *arguments)
        raise AttributeError(name)

    def _call(self, name, *arguments):
        self.asked.append(name)
        if "Init" in name or "Shutdown" in name:
            return pynvml.NVML_SUCCESS
        if "GetCount" in name:
            arguments[0]._obj.value = len(self.cards)
            return pynvml.NVML_SUCCESS
        if "HandleByIndex" in name:
            index = arguments[0].value
            ctypes.c_void_p.from_buffer(arguments[1]._obj).value = index + 1
            return self.cards[index].refuses.get("Handle", pynvml.NVML_SUCCESS)
        card = self.cards[ctypes.cast(arguments[0], ctypes.c_void_p).value - 1]
        for part, error in card.refuses.items():
            if part in name:
                return error
        return getattr(self, "_processes" if "Processes" in name else "_figures")(name, card, *arguments[1:])

    def _figures(self, name, card, figures):
        if "Utilization" in name:
            figures._obj.gpu = card.busy
        else:
            figures._obj.used = card.used
        return pynvml.NVML_SUCCESS

    def _processes(self, name, card, count, listed):
        found = card.sharing if "MPS" in name else card.computing
        if listed is None and found:
            count._obj.value = len(found)
            return pynvml.NVML_ERROR_INSUFFICIENT_SIZE
        count._obj.value = len(found)
        for at, (pid, used) in enumerate(found):
            listed[at].pid, listed[at].usedGpuMemory = pid, used
        return pynvml.NVML_SUCCESS


@pytest.fixture
def sampling(monkeypatch):
    """Return a function that samples, or returns a sampler of, cards in this process."""

    def of(*cards, **more):
        driver = Driver(*cards, **more)
        monkeypatch.setattr(pynvml, "nvmlLib", driver)
        monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
        sampler = GpuSampler()
        sampler.driver = driver
        return sampler

    return of


@pytest.fixture
def in_a_container(monkeypatch):
    """Have this process's ids be others than those that NVML lists; return how to say whether it computes on a GPU."""
    monkeypatch.setattr(gpu, "_HOST_PIDS", "pid:[of the host]")
    return lambda computes: monkeypatch.setattr(gpu, "_computes_on_a_gpu", lambda: computes)


@pytest.fixture
def on_the_host(monkeypatch):
    """Have this process's ids be those that NVML lists, wherever the tests run."""
    monkeypatch.setattr(gpu, "_HOST_PIDS", os.readlink("/proc/self/ns/pid") if os.path.isdir("/proc/self") else "")


def test_what_this_process_holds_on_every_gpu(sampling, on_the_host):
    """The busiest GPU, and the memory of this process alone, clients of MPS included; none is held where it is in no list."""
    cards = [Card(busy=30, computing=[(ME, 5), (ME + 1, 70)]), Card(busy=80, sharing=[(ME, 7)]), Card(busy=0)]
    sampler = sampling(*cards)
    assert sampler.present
    assert sampler.sample() == GpuLoad(0.8, 12)
    assert sampling(Card(computing=[(ME + 1, 70)])).sample() == GpuLoad(0.3, 0)


def test_memory_that_is_not_told_by_process(sampling, on_the_host):
    """NVML has this process in its list, but not what it holds: then it is what is in use on that GPU."""
    sampler = sampling(Card(used=900, computing=[(ME, UNKNOWN), (ME + 1, 70)]), Card(computing=[(ME, 5)]))
    assert [one.usedGpuMemory for one in pynvml.nvmlDeviceGetComputeRunningProcesses(sampler._handles[0])] == [None, 70]
    assert sampler.sample() == GpuLoad(0.3, 905)


@pytest.mark.parametrize(
    "listed",
    [[], [(0, 70)], [(ME + 1, 70)], [(0, UNKNOWN)]],
    ids=["none", "of no process", "another", "unknown"],
)
def test_in_a_container_other_ids_are_listed(sampling, in_a_container, listed):
    """Then whether this process is one of them cannot be seen: one that computes on a GPU is said to hold what is in use."""
    sampler = sampling(Card(used=900, computing=listed))
    in_a_container(True)
    assert sampler.sample() == GpuLoad(0.3, 900)
    in_a_container(False)
    assert sampler.sample() == GpuLoad(0.3, 0)


def test_in_a_container_whose_driver_knows_its_ids(sampling, in_a_container):
    """NVML lists this process by its own id."""
    in_a_container(True)
    assert sampling(Card(used=900, computing=[(0, 70), (ME, 5)])).sample() == GpuLoad(0.3, 5)


def test_what_a_gpu_refuses_is_left_out(sampling, on_the_host, caplog):
    """A GPU under MIG has no utilisation and does not list processes; other GPUs are sampled nevertheless."""
    mig = {"Utilization": pynvml.NVML_ERROR_NOT_SUPPORTED, "Processes": pynvml.NVML_ERROR_NO_PERMISSION}
    with caplog.at_level(logging.DEBUG, logger="otel_fe"):
        sampler = sampling(Card(used=900, refuses=mig), Card(busy=40, computing=[(ME, 5)]))
        assert [sampler.sample() for _ in range(3)] == [GpuLoad(0.4, 5)] * 3
    assert caplog.text.count("nvmlDeviceGetUtilizationRates") == 1
    assert sampling(Card(refuses=mig)).sample() == GpuLoad(None, 0)


def test_a_gpu_that_computes_and_refuses(sampling, monkeypatch):
    """The whole GPU's figures are used if there are none per process; if those are refused as well, there are none."""
    monkeypatch.setattr(gpu, "_computes_on_a_gpu", lambda: True)
    refuses = {"Processes": pynvml.NVML_ERROR_NO_PERMISSION}
    assert sampling(Card(used=900, refuses=refuses)).sample() == GpuLoad(0.3, 900)
    everything = dict.fromkeys(("Processes", "Memory", "Utilization"), pynvml.NVML_ERROR_GPU_IS_LOST)
    assert sampling(Card(refuses=everything)).sample() == GpuLoad(None, None)


def test_a_gpu_that_cannot_be_opened_hides_no_other(sampling, on_the_host):
    """One is lost; the next is sampled."""
    lost = Card(refuses={"Handle": pynvml.NVML_ERROR_GPU_IS_LOST})
    assert sampling(lost, Card(busy=50, computing=[(ME, 5)])).sample() == GpuLoad(0.5, 5)
    assert not sampling(lost).present


def test_an_old_driver_has_fewer_functions(sampling, monkeypatch):
    """The lists of processes that pynvml asks for are of a version that it does not know: an earlier one will do, if there is."""
    monkeypatch.setattr(gpu, "_computes_on_a_gpu", lambda: True)
    card = Card(used=900, computing=[(ME, 5), (ME + 1, 70)])
    earlier = hasattr(pynvml, "nvmlDeviceGetComputeRunningProcesses_v2")
    assert sampling(card, missing=("Processes_v3", "MPS")).sample() == GpuLoad(0.3, 5 if earlier else 900)
    assert sampling(card, missing=("Processes",)).sample() == GpuLoad(0.3, 900)


def test_no_gpu_and_no_driver(sampling, monkeypatch, caplog):
    """No samples are taken without a GPU or a driver, and a debug line names the reason."""
    assert sampling().sample() is None
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: pynvml._nvmlCheckReturn(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    with caplog.at_level(logging.DEBUG, logger="otel_fe"):
        assert not GpuSampler().present
    assert "no GPU attributes: NVML Shared Library Not Found" in caplog.text


WITHOUT_DRIVER = """
import sys, time
from tests.observed import instrumented
from otel_fe.instrument import background, gpu
background.PERIOD_S = 0.01
gpu._LIBRARY = sys.argv[1]
with instrumented():
    early = "pynvml" in sys.modules
    time.sleep(0.2)
    print(early, "pynvml" in sys.modules)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a driver is looked for by pynvml alone")
@pytest.mark.parametrize(("library", "imported"), [("libno-such-driver.so.1", "False False"), ("", "True True")])
def test_pynvml_is_imported_only_where_there_is_a_driver_and_before_the_first_extraction(library, imported):
    """Importing pynvml is 50 to 100 ms of Python, which a background thread would take from extractions."""
    library = library or ctypes.util.find_library("c")
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_DRIVER, library]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == f"{imported}\n", done.stderr


def test_it_can_be_closed_at_any_time(sampling, monkeypatch):
    """Twice, without a GPU, and where NVML is gone: nothing leaves it."""
    sampler = sampling(Card())
    sampler.close()
    sampler.close()
    assert sampler.driver.asked.count("nvmlShutdown") == 1
    assert sampler.sample() is None
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: pynvml._nvmlCheckReturn(pynvml.NVML_ERROR_UNINITIALIZED))
    sampling(Card()).close()


def test_who_computes_on_a_gpu_is_seen_by_what_it_has_open(tmp_path, monkeypatch):
    """The device that CUDA opens, and NVML does not."""
    monkeypatch.setattr(gpu, "_IN_USE", (str(tmp_path / "another"),))
    assert not gpu._computes_on_a_gpu()
    device = tmp_path / "nvidia-uvm"
    device.touch()
    monkeypatch.setattr(gpu, "_IN_USE", (str(device),))
    assert not gpu._computes_on_a_gpu()
    with device.open():
        assert gpu._computes_on_a_gpu()


FORKED = """
import logging, os, pynvml, sys, threading, time
from otel_fe.instrument import gpu
from tests.unit.instrument.test_gpu import Card, Driver
logging.basicConfig(level="WARNING")

class Slow(Driver):
    def _call(self, name, *arguments):
        if "Utilization" in name and not free.is_set():
            held.set()
            free.wait()
        return super()._call(name, *arguments)

held, free = threading.Event(), threading.Event()
pynvml.nvmlLib = driver = Slow(Card())
if sys.argv[1] == "idle":
    free.set()
sampler = gpu.GpuSampler()
sampling = threading.Thread(target=sampler.sample)
sampling.start()
if sys.argv[1] == "idle":
    sampling.join()
else:
    held.wait()
child = os.fork()
if child == 0:
    driver.asked.clear()
    free.set()
    print(gpu.GpuSampler().present, driver.asked != [], flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
free.set()
sampling.join()
print(gpu.GpuSampler().present)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked there")
@pytest.mark.parametrize(("when", "in_the_child"), [("idle", "True True"), ("asking", "False False")])
def test_a_child_forked_while_nvml_was_asked_leaves_it_alone(when, in_the_child):
    """Whatever lock NVML held then is held forever there, and would hold the background thread; the parent goes on."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, when],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split("\n")[:2] == [in_the_child, "True"], done.stderr
    assert ("forked while NVML was being asked" in done.stderr) is (when == "asking")
