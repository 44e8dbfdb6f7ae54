"""`python -m tests.fuzz --inputs 1000000`: fuzz the wire path on every core; exits with 1 where something breaks."""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.fuzz.loop import run


def main() -> int:
    """Run, and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long, whatever was reached")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run; a random one by default")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    each = math.ceil(options.inputs / options.processes)
    print(f"seed {seed}, {options.processes} processes", flush=True)
    began = time.perf_counter()
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(run, each, options.seconds, seed + number) for number in range(options.processes)]
        for done in as_completed(running):
            print(done.result(), flush=True)
    print(f"nothing broke in {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
