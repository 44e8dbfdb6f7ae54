"""`python -m otel_fe.cli`: the same as `otel-fe`."""

from __future__ import annotations

import sys

from otel_fe.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
