"""One core, and three other processes that want it."""

import os
import subprocess
import sys
import time

import otel_fe

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@otel_fe.extraction
def extract():
    end = time.thread_time() + 0.06
    while time.thread_time() < end:  # planted
        pass


others = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(3)]
time.sleep(0.3)
for _ in range(5):
    extract()
for other in others:
    other.kill()
    other.wait()
