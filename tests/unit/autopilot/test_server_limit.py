"""The limit of a server, where it cannot be queried."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import QueuePool

from otel_fe.autopilot.resource import CannotResizeError
from otel_fe.autopilot.server_limit import room_of_database


def test_pool_is_left_alone_when_no_thread_can_be_started(monkeypatch):
    """The error names the pool and the reason; the autopilot treats it as every other pool that it cannot resize."""
    engine = create_engine("sqlite://", poolclass=QueuePool)
    assert room_of_database(engine.pool, "features") is None

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(
        CannotResizeError, match="features: its server's limit cannot be read, as no thread can be started"
    ):
        room_of_database(engine.pool, "features")
    engine.dispose()
