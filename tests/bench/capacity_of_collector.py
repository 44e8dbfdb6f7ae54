"""Capacity of a service whose pipeline is a collector, end to end: `python -m tests.bench.capacity_of_collector [MINUTES] [RATE]`.

Two processes with an SQLite pool of two each run beside `otel-fe collector --store` for some minutes (15), at up to `RATE`
extractions a second each (25); then `otel-fe capacity` is asked of that store. Windows are minutes, so 13 are the fewest, and other
work on the machine makes minutes that no model describes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.integration.test_capacity_of_collector import measured, stored_by_collector
from tests.unit.collector.running import OTEL_FE


def main() -> None:
    """Run it, and print what is known of the service, what is answered, and each window's rate and mean duration."""
    given = [float(one) for one in sys.argv[1:]]
    minutes, rate = (given + [15.0, 25.0][len(given) :])[:2]
    with (
        tempfile.TemporaryDirectory() as folder,
        stored_by_collector(Path(folder), 60 * minutes, rate) as (store, count, _, _),
    ):
        found = measured(store)
        print(f"{count:.0f} extractions; {found.setup}")
        for one in found.windows:
            print(f"{one.rate:8.1f}/s {1e3 * one.total_s / one.count:8.1f} ms")
        command = [OTEL_FE, "capacity", "--store", store, "--traffic", "1.5x"]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
