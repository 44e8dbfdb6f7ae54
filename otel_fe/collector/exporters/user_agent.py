"""The User-Agent sent to backends."""

from __future__ import annotations

import platform
import sys
from typing import Final

from otel_fe.version import __version__

USER_AGENT: Final = f"otel-fe/{__version__} ({sys.platform}/{platform.machine()})"
"""The header `user-agent`, unless the configuration has its own."""
