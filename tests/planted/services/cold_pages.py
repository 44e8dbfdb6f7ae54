"""A model file that is not in the page cache."""

import os
import sys

import otel_fe


@otel_fe.extraction
def extract():
    with open(sys.argv[1], "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        size = os.fstat(file.fileno()).st_size
        for at in range(0, size, 65_536):
            os.pread(file.fileno(), 4_096, at)  # planted


for _ in range(4):
    with open(sys.argv[1], "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    extract()
