"""Starting Ray where it may take long: Ray itself gives a node 30 seconds to begin, whatever the machine has to do besides."""

from __future__ import annotations

import ray

_ATTEMPTS = 5
_TOO_SLOW = "timed out during startup"


def start(**options):
    """Start a cluster in this process's name, again if its node was too slow to begin."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return ray.init(include_dashboard=False, **options)
        except Exception as error:
            if attempt == _ATTEMPTS or _TOO_SLOW not in str(error):
                raise
            print(f"attempt {attempt}: {error}", flush=True)
            ray.shutdown()
    return None
