"""A control group that may use a fifth of a core."""

import time

import otel_fe


@otel_fe.extraction
def extract():
    end = time.thread_time() + 0.12
    while time.thread_time() < end:  # planted
        pass


for _ in range(10):  # of the first, there is no reading of the counters from before it
    extract()
