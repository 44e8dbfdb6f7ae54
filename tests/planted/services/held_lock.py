"""A lock that another thread holds while it works."""

import threading
import time

import otel_fe

lock = threading.Lock()
held = threading.Event()


def holds():
    with lock:
        held.set()
        time.sleep(0.15)


@otel_fe.extraction
def extract():
    with lock:  # planted
        pass


for _ in range(5):
    held.clear()
    thread = threading.Thread(target=holds)
    thread.start()
    held.wait()
    extract()
    thread.join()
