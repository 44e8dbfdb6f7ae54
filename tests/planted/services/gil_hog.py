"""A thread of this process that computes in plain Python while extractions want to go on."""

import threading
import time

import otel_fe

stop = threading.Event()


def report():
    total = 0
    while not stop.is_set():
        total += sum(range(2_000))  # planted
    return total


@otel_fe.extraction
def extract():
    end = time.monotonic() + 0.25
    while time.monotonic() < end:
        time.sleep(0.0001)  # lets go of the interpreter, as each call of a cache does
        sum(range(100))


thread = threading.Thread(target=report)
thread.start()
for _ in range(5):
    extract()
stop.set()
thread.join()
