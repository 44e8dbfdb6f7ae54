"""gevent: greenlets share a thread, so an extraction must not be given another's CPU time."""

from __future__ import annotations

import threading
import time

import gevent
import numpy as np

import otel_fe
from otel_fe.testing import capture

CPU = "feature_extraction.cpu.time"


def burn(seconds):
    """Use CPU time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@otel_fe.extraction("sleeper")
def sleeper():
    """Give way to the others, and use next to no CPU time."""
    gevent.sleep(0.05)


def test_a_sleeper_is_not_given_what_another_greenlet_burns():
    """CPU time is absent, as in event loops, both in a greenlet and in the main one, whose sleep runs the hub."""
    with capture() as captured:
        gevent.joinall([gevent.spawn(sleeper), gevent.spawn(burn, 0.2)])
        burning = gevent.spawn(burn, 0.2)
        sleeper()
        burning.join()
        first, second = captured.extractions("sleeper")
        assert captured.total("feature_extraction.cpu.time") == 0
        assert captured.total("feature_extraction.duration") == 2
    assert CPU not in first.attributes
    assert CPU not in second.attributes


def test_a_thread_without_a_hub_keeps_its_cpu_time():
    """gevent may be loaded and used elsewhere."""
    with capture() as captured:
        thread = threading.Thread(target=otel_fe.extraction("thread")(burn), args=(0.05,))
        thread.start()
        thread.join()
        assert captured.extraction("thread").attributes[CPU] >= 0.05


def test_numpy_numbers_stay_numbers():
    """Counts and sizes by NumPy's integers and booleans."""
    with capture() as captured:
        with otel_fe.extraction("x", batch_size=np.int64(32)) as running:
            running.cache_hit(np.int32(2))
            running.cache_miss(np.bool_(True))
        attributes = captured.extraction("x").attributes
    assert [attributes[f"feature_extraction.{name}"] for name in ("batch.size", "cache.lookups", "cache.hits")] == [
        32,
        3,
        2,
    ]
