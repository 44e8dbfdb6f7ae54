"""Peaks of PyTorch's memory on GPUs. There is no GPU here: the arithmetic runs against a stand-in for `torch.cuda`.

That CUDA is left alone by the real PyTorch without one is tested inside test_transformers.py. With a GPU nothing has been run.
NVML, which tells of GPUs without PyTorch, is in unit/instrument/test_gpu.py, run here with its oldest version as well.
"""

from __future__ import annotations

import pytest

import otel_fe
from otel_fe import faults
from otel_fe.instrument.extraction import Extraction
from otel_fe.instrument.libraries.torch import raised
from tests.libraries.versions import NVML
from tests.observed import instrumented
from tests.venvs import RUNNER, Environment, run_inside

ENVIRONMENTS = {version: Environment(f"nvml-{version}", (*wanted, *RUNNER)) for version, wanted in NVML.items()}
PEAK = "feature_extraction.gpu.memory.peak"


@pytest.mark.parametrize(
    ("before", "after", "peak"),
    [
        ((), (), 0),
        ((5,), (5,), 0),
        ((5,), (7,), 7),
        ((), (3,), 3),
        ((5, 9), (6, 9), 6),
        ((5, 9), (6, 10), 10),
        ((9,), (2,), 0),
    ],
)
def test_only_a_peak_that_was_raised_is_one(before, after, peak):
    """The largest of those; a reset by the application in between tells nothing."""
    assert raised(before, after) == peak


def test_an_extraction_that_raises_the_peak_has_it(cuda):
    """Only an extraction that raises the memory peak has the attribute."""
    with instrumented() as captured:
        for name, used in (("first", 300), ("second", 200), ("third", 400)):
            with otel_fe.extraction(name):
                cuda.peaks[1] = max(cuda.peaks[1], used)
    assert [captured.extraction(name).attributes.get(PEAK) for name in ("first", "second", "third")] == [300, None, 400]


def test_cuda_that_is_not_initialised_is_not_touched(cuda):
    """Initialising it takes seconds and memory: that is the application's to do."""
    cuda.initialised = False
    with instrumented() as captured, otel_fe.extraction("x"):
        pass
    assert PEAK not in captured.extraction("x").attributes


def test_extractions_are_put_back(cuda):
    """The functions are the original ones without PyTorch, and after uninstrumenting."""
    before = dict(vars(Extraction))
    with instrumented():
        assert dict(vars(Extraction)) != before
    assert dict(vars(Extraction)) == before


def test_an_allocator_without_statistics_is_not_asked(cuda):
    """PyTorch raises when it is: that is no fault, and nothing is said of peaks."""
    cuda.allocator = "pluggable"
    before = faults.counts()
    with instrumented() as captured, otel_fe.extraction("x"):
        pass
    assert PEAK not in captured.extraction("x").attributes
    assert faults.counts() == before


def test_a_pytorch_that_has_no_choice_of_allocators(cuda, monkeypatch):
    """Before 2.0 there was one."""
    monkeypatch.delattr(type(cuda), "get_allocator_backend")
    with instrumented() as captured, otel_fe.extraction("x"):
        cuda.peaks[0] = 700
    assert captured.extraction("x").attributes[PEAK] == 700


@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", ENVIRONMENTS)
def test_nvml(version):
    """The GPU tests also pass with the types of the oldest supported `pynvml`."""
    python = ENVIRONMENTS[version].python()
    run_inside(python, "tests/unit/instrument/test_gpu.py")
