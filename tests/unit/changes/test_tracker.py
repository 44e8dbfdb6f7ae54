"""Changes, as opposed to another process that reports the same or the old value."""

from __future__ import annotations

from otel_fe.changes import Mark, Tracker
from otel_fe.changes.mark import POOL_SIZE, RESTART, VERSION
from otel_fe.changes.tracker import MOST_FACTS, ProcessReport

S = 1_000_000_000
MINUTE = 60 * S
HOUR = 60 * MINUTE


def seen(time_ns, instance="a", version="1", pool=None, service="shop"):
    values = [(VERSION, "", version)]
    if pool is not None:
        values.append((POOL_SIZE, "postgresql://db", str(pool)))
    return ProcessReport(service, instance, time_ns, tuple(values))


def marks(tracker, *observed):
    return [mark for one in observed for mark in tracker.observe(one)]


def test_the_first_sight_of_a_service_is_no_change():
    """The first process of a service is no change, and neither are the others that start with it."""
    assert marks(Tracker(), seen(0, "a"), seen(MINUTE, "b"), seen(2 * MINUTE, "c")) == []


def test_a_rolling_deployment_is_one_change_that_spreads():
    """Old and new processes answer side by side for minutes: the version does not change back and forth."""
    tracker = Tracker()
    before = [seen(0, "a"), seen(S, "b")]
    rolling = [
        seen(HOUR, "c", "2"),
        seen(HOUR + S, "b"),
        seen(HOUR + 2 * S, "c", "2"),
        seen(HOUR + MINUTE, "d", "2"),
        seen(HOUR + MINUTE, "b"),
    ]
    found = marks(tracker, *before, *rolling)
    assert found == [
        Mark(HOUR, "shop", VERSION, "", "1", "2", HOUR),
        Mark(HOUR, "shop", VERSION, "", "1", "2", HOUR + MINUTE, count=2),
    ]


def test_a_rollback_is_a_change():
    tracker = Tracker()
    found = marks(tracker, seen(0, "a"), seen(HOUR, "b", "2"), seen(2 * HOUR, "c", "1"))
    assert [(one.before, one.after) for one in found] == [("1", "2"), ("2", "1")]


def test_restarts_that_follow_each_other_are_one():
    """Workers that are recycled after so many requests restart all day long."""
    tracker = Tracker()
    found = marks(tracker, seen(0, "a"), *(seen(HOUR + n * 5 * MINUTE, f"w{n}") for n in range(4)))
    assert {one.time_ns for one in found} == {HOUR}
    assert (found[-1].kind, found[-1].count, found[-1].until_ns) == (RESTART, 4, HOUR + 15 * MINUTE)
    assert [one.kind for one in marks(tracker, seen(5 * HOUR, "later"))] == [RESTART]


def test_a_process_that_changes_its_pool_is_marked_once():
    """Each of its siblings makes the same change, and metrics tell of it once more, as another instance."""
    tracker = Tracker()
    found = marks(
        tracker,
        seen(0, "a", pool=2),
        seen(0, "b", pool=2),
        seen(HOUR, "a", pool=4),
        seen(HOUR + S, "b", pool=2),
        seen(HOUR + MINUTE, "b", pool=4),
    )
    assert found == [Mark(HOUR, "shop", POOL_SIZE, "postgresql://db", "2", "4", HOUR)]


def test_two_pools_of_one_name_are_no_change():
    """Extractions name the pool that they waited for longest, so two pools of one name alternate; that is no change."""
    tracker = Tracker()
    found = marks(tracker, seen(0, pool=2), *(seen(HOUR + n * S, pool=(5, 2)[n % 2]) for n in range(60)))
    assert len(found) <= 1


def test_what_comes_late_changes_nothing():
    """A trace that was kept late tells of the size that the pool had before."""
    tracker = Tracker()
    found = marks(tracker, seen(0, pool=2), seen(HOUR, pool=4), seen(HOUR - S, pool=2), seen(HOUR + S, pool=4))
    assert [(one.before, one.after) for one in found] == [("2", "4")]


def test_it_goes_on_where_another_left_off():
    """A collector that is restarted marks nothing by that, and what changed meanwhile is a change."""
    first = Tracker()
    marks(first, seen(0, "a", pool=2))
    again = Tracker(first.changed)
    assert marks(again, seen(HOUR, "a", pool=2)) == []
    assert [one.after for one in marks(again, seen(2 * HOUR, "a", "1", pool=4))] == ["4"]


def test_services_are_apart():
    assert marks(Tracker(), seen(0, "a", "1"), seen(HOUR, "b", "2", service="other")) == []


def test_what_it_remembers_is_bounded():
    tracker = Tracker()
    for number in range(MOST_FACTS + 10):
        list(tracker.observe(seen(number, f"i{number}")))
    assert len(tracker.forgotten) == 10
    assert len(tracker._facts) == MOST_FACTS


def test_names_are_cut():
    tracker = Tracker()
    list(tracker.observe(seen(0, "i" * 10_000, "v" * 10_000, service="s" * 10_000)))
    assert max(len(part) for fact in tracker.changed for part in (*fact.key, fact.value)) == 200
