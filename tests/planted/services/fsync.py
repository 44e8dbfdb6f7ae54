"""Every row is written through to the disk."""

import os
import sys
import time

import otel_fe


@otel_fe.extraction
def extract():
    with open(sys.argv[1] + ".rows", "wb", buffering=0) as file:
        end = time.monotonic() + 0.25
        while time.monotonic() < end:
            file.write(b"row" * 1000)
            os.fsync(file.fileno())  # planted


for _ in range(5):
    extract()
