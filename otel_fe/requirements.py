"""The four requirements of a feature service: p95 below 100 ms, cache hits above 70 %, errors below 1 %, memory below 1 GB.

They are defined only here: SLOs, alerts, the default policy, settings, pages, rendered rules and messages use these
values, and `config/data/requirements.yaml`, which is for users to copy, is held to them by a test.
"""

from __future__ import annotations

from typing import Final

LATENCY_LIMIT_NS: Final = 100_000_000
"""An extraction that takes less is good; one that takes this long is slow."""
LATENCY_OBJECTIVE: Final = (95, 100)
"""Share of extractions that must be good: the 95th percentile is below the limit."""
HIT_OBJECTIVE: Final = (70, 100)
"""More than this share of the extractions that look up have every look-up hit."""
SUCCESS_OBJECTIVE: Final = (99, 100)
"""More than this share of extractions succeeds."""
MEMORY_LIMIT_BYTES: Final = 1_000_000_000
"""An extraction that grows the process by less is good."""
MEMORY_OBJECTIVE: Final = (1, 1)
"""Every extraction is good."""

LATENCY_LIMIT_MS: Final = LATENCY_LIMIT_NS // 1_000_000
LATENCY_LIMIT_S: Final = LATENCY_LIMIT_NS / 1e9
SLOW_RATIO: Final = (LATENCY_OBJECTIVE[1] - LATENCY_OBJECTIVE[0]) / LATENCY_OBJECTIVE[1]
"""Share that may be slow, at most."""
HIT_RATIO: Final = HIT_OBJECTIVE[0] / HIT_OBJECTIVE[1]
ERROR_RATIO: Final = (SUCCESS_OBJECTIVE[1] - SUCCESS_OBJECTIVE[0]) / SUCCESS_OBJECTIVE[1]
"""Less than this share may fail."""

LATENCY: Final = f"{LATENCY_LIMIT_MS} ms"
SLOW: Final = f"{SLOW_RATIO * 100:g} %"
HITS: Final = f"{HIT_RATIO * 100:g} %"
ERRORS: Final = f"{ERROR_RATIO * 100:g} %"
MEMORY: Final = f"{MEMORY_LIMIT_BYTES / 1e9:g} GB"
"""The bounds in words."""
IN_WORDS: Final = f"p95 below {LATENCY}, more than {HITS} cache hits, less than {ERRORS} errors, memory below {MEMORY}"
"""All four, for the command line."""
