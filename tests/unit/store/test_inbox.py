"""The queue of items to be written is bounded, and items that do not fit are counted."""

from __future__ import annotations

import threading

from otel_fe.store import Store, StoreLimits
from otel_fe.store.inbox import Inbox, Item
from tests.unit.store.parts import trace


def test_it_is_bounded_by_number_and_by_size():
    """An item that is larger than all the room is taken when it is the only one."""
    inbox = Inbox(StoreLimits(max_queued_items=3, max_queued_bytes=100))
    assert inbox.put(Item("trace", 1, 1000)) == ""
    assert inbox.put(Item("trace", 2, 1)) == "queue_full"
    assert [item.content for item in inbox.take(5, 0)] == [1]
    assert [inbox.put(Item("trace", i, 1)) for i in range(4)] == ["", "", "", "queue_full"]
    assert [item.content for item in inbox.take(2, 0)] == [0, 1]
    inbox.close()
    assert inbox.put(Item("trace", 9, 1)) == "closed"
    assert [item.content for item in inbox.take(5, 0)] == [2]
    assert inbox.take(5, 0) == []


def test_waiting_for_it_ends_when_all_that_was_in_it_is_settled():
    """`wait()` does not depend on later items, and ends after its timeout."""
    inbox = Inbox(StoreLimits(linger_s=60))
    inbox.put(Item("trace", 1, 1))
    assert not inbox.wait(0.01)
    ended = []
    waiting = threading.Thread(target=lambda: ended.append(inbox.wait(30)))
    waiting.start()
    # It would linger for a minute if no thread waited.
    assert len(inbox.take(5, 1)) == 1
    inbox.put(Item("trace", 2, 1))
    inbox.settle(1)
    waiting.join(30)
    assert ended == [True]


def test_what_does_not_fit_is_counted(tmp_path):
    """Items that do not fit are counted and logged; closing the store writes the others."""
    store = Store(tmp_path, StoreLimits(linger_s=60, max_queued_items=4))
    with store._inbox._changed:
        taken = [store.add_trace(trace(i)) for i in range(1, 8)]
    assert store.flush()
    assert taken == [True] * 4 + [False] * 3
    assert store.close()
    assert not store.add_trace(trace(9))
    assert store.counters.written == {"trace": 4}
    assert store.counters.lost == {"queue_full": 3, "closed": 1}
