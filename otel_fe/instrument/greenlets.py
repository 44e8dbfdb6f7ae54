"""Threads that greenlets share: of gevent, eventlet, and SQLAlchemy's asyncio extension.

A greenlet yields inside any call that blocks, without its caller noticing, and what the others use meanwhile is CPU
time of the same thread.
"""

from __future__ import annotations

import sys
from typing import Any


def share_this_thread() -> bool:
    """Return whether other greenlets may run on this thread before the caller continues. Imports nothing."""
    modules = sys.modules
    greenlet: Any = modules.get("greenlet")
    if greenlet is None:
        return False
    if greenlet.getcurrent().parent is not None:
        return True
    hubs: Any = modules.get("gevent._hub_local")
    if hubs is not None and hubs.get_hub_if_exists() is not None:
        return True
    local: Any = getattr(modules.get("eventlet.hubs"), "_threadlocal", None)
    return getattr(local, "hub", None) is not None
