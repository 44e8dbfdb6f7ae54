"""An instrumented service, without a line of otel_fe in what it does: extractions, some slow, some failing."""

from __future__ import annotations

import random
import sys
import time


def extract(number: int) -> int:
    """Compute a feature."""
    time.sleep(random.uniform(0.001, 0.02) if number % 50 else 0.15)
    if number % 97 == 0:
        raise ValueError(number)
    return number * number


def main() -> None:
    """Work until the process is ended."""
    random.seed(int(sys.argv[1]))
    number = 0
    while True:
        number += 1
        try:
            extract(number)
        except ValueError:
            continue


if __name__ == "__main__":
    main()
