"""A memory-mapped model whose pages are on disk."""

import mmap
import os
import sys

import otel_fe


@otel_fe.extraction
def extract():
    with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as model:
        model.madvise(mmap.MADV_RANDOM)
        return [model[at] for at in range(0, len(model), 65_536)]  # planted


for _ in range(4):
    with open(sys.argv[1], "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    extract()
