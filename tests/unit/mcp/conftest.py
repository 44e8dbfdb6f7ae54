from __future__ import annotations

import pytest

from otel_fe.dashboard.page_context import PageContext
from otel_fe.mcp.answers import Answers
from otel_fe.store import StoreReader
from otel_fe.testing import FakeClock
from tests.unit.dashboard.conftest import NOW
from tests.unit.dashboard.seeded import fill
from tests.unit.store.parts import bed


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A real store on disk, with an hour of two services; read only."""
    directory = tmp_path_factory.mktemp("mcp") / "store"
    with bed(directory, clock=FakeClock(NOW)) as parts:
        fill(parts.write, NOW, minutes=60, traces_a_minute=6)
    return directory


@pytest.fixture
def answers(store):
    with StoreReader(store) as reader:
        yield Answers(PageContext(reader, store, FakeClock(NOW)), "http://localhost:8899")
