"""Ask a worker for the features of a user: `python ask.py 7`."""

from __future__ import annotations

import sys

from tasks import extract


def main() -> None:
    """Send the task, wait for its result, and print it."""
    print(extract.delay(int(sys.argv[1])).get(timeout=30))


if __name__ == "__main__":
    main()
