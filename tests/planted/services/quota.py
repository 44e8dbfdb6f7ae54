"""A control group that may use a fifth of a core."""

import os
import sys
import time
from pathlib import Path

import otel_fe

Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))


@otel_fe.extraction
def extract():
    end = time.thread_time() + 0.12
    while time.thread_time() < end:  # planted
        pass


for _ in range(5):
    extract()
