"""Run a soak, and print what it found; the exit status is 1 where something did not hold."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.soak.soak import Soak


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long there is traffic (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default %(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs, queue and store")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started and mounted is taken down
    with tempfile.TemporaryDirectory(prefix="otel-fe-soak-", ignore_cleanup_errors=True) as folder:
        report = Soak(Path(folder), arguments.minutes, arguments.seed).run()
        print(f"soak: {arguments.minutes:g} minutes, seed {arguments.seed}\n{report}")
        if arguments.keep:
            Path(folder).rename(f"soak-{arguments.seed}")
    return bool(report.problems)


if __name__ == "__main__":
    sys.exit(main())
