"""A control group that may use a fifth of a core."""

import time

import otel_fe


@otel_fe.extraction
def extract():
    end = time.thread_time() + 0.12
    while time.thread_time() < end:  # planted
        pass


for _ in range(5):
    extract()
