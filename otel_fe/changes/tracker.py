"""Finds changes in the attributes and metrics of processes, in whatever order their telemetry arrives.

A service is many processes, and a deployment replaces them one by one, so that the old value and the new one are seen side by side
for minutes. A change is therefore not "another value than the last one", but a new process that differs from the current value, or
a process that differs from itself.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_fe.changes.mark import RESTART, VERSION, Mark
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

JOINED_NS: Final = 600 * NS_PER_S
"""Restarts no further apart than this are one: a rolling deployment, workers that are recycled."""
_START_NS: Final = 300 * NS_PER_S
"""After a service is first seen, for so long its processes start together."""
_FLAP_NS: Final = 120 * NS_PER_S
"""A process that returns to a value that it had so short a time ago has two pools of one name, or tries a size out."""
MOST_FACTS: Final = 20_000
_LONGEST: Final = 200
"""Characters of a value or a name."""


@dataclass(slots=True)
class Fact:
    """The last report of one process on one subject."""

    service: str
    """`service.name`."""
    instance: str
    """Of the process, as in `ProcessReport`."""
    kind: str
    """One of `mark.KINDS`."""
    subject: str
    """Name of the pool or the cache; empty for a version and a restart."""
    value: str
    """The value at the last report."""
    earlier: str = ""
    """The value before."""
    changed_ns: int = 0
    """Unix time of the report that first had `value`."""
    seen_ns: int = 0
    """Unix time of the last report."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return its identity among facts."""
        return self.service, self.instance, self.kind, self.subject


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """The report of a process at a moment."""

    service: str
    instance: str
    """`service.instance.id` of the process, or another unique attribute; empty where there is none."""
    time_ns: int
    values: tuple[tuple[str, str, str], ...]
    """Kind, subject, value."""


class Tracker:
    """Remembers the last attributes of processes, and turns differences into marks. Not thread-safe.

    Args:
        facts: What is remembered from before.
        latest: The last mark of each service and kind, so that a restart in progress is one mark.
    """

    def __init__(self, facts: Iterable[Fact] = (), latest: Iterable[Mark] = ()) -> None:
        self._facts: OrderedDict[tuple[str, str, str, str], Fact] = OrderedDict()
        self._current: dict[tuple[str, str, str], tuple[str, int]] = {}
        """The newest value of each service's, and since when."""
        self._since: dict[str, int] = {}
        """When each service was first seen, as far as it is known here."""
        self._instances: dict[str, int] = {}
        self._latest: dict[tuple[str, str, str], Mark] = {}
        for fact in sorted(facts, key=lambda one: one.changed_ns):
            self._remember(fact)
        for mark in latest:
            self._latest[(mark.service, mark.kind, mark.subject)] = mark
        self.changed: list[Fact] = []
        """Facts that are new, or have changed, since they were last taken."""
        self.forgotten: list[Fact] = []

    def observe(self, seen: ProcessReport) -> Iterator[Mark]:
        """Yield the marks of a process's new attributes; an earlier mark may come again, having spread.

        A mark that has spread has the `time_ns` of before, and a later `until_ns`.

        Args:
            seen: The values of one process at one moment.
        """
        service, instance = seen.service[:_LONGEST], seen.instance[:_LONGEST]
        known_service = service in self._since
        self._since.setdefault(service, seen.time_ns)
        known = (service, instance, VERSION, "") in self._facts
        versioned = False
        for kind, subject, value in seen.values:
            reported = Fact(
                service, instance, kind, subject[:_LONGEST], value[:_LONGEST], "", seen.time_ns, seen.time_ns
            )
            mark = self._noted(reported)
            if mark is not None:
                versioned = versioned or kind == VERSION
                yield from self._made(mark)
        whole = any(kind == VERSION for kind, _, _ in seen.values)
        if whole and instance and not known and known_service and not versioned:
            yield from self._restarted(service, seen.time_ns)

    def _noted(self, reported: Fact) -> Mark | None:
        """Remember a fact; return the change that it is, or None."""
        of = (reported.service, reported.kind, reported.subject)
        current, since_ns = self._current.get(of, (None, 0))
        own = self._facts.get(reported.key)
        if own is not None and own.value == reported.value:
            own.seen_ns = max(own.seen_ns, reported.seen_ns)
            self._facts.move_to_end(reported.key)
            return None
        if own is not None and (reported.changed_ns < own.changed_ns or self._flaps(own, reported)):
            return None
        before = current if own is None or not reported.instance else own.value
        reported.earlier = own.value if own is not None else ""
        self._remember(reported)
        self.changed.append(reported)
        late = reported.changed_ns < since_ns
        if late or current is None or before is None or reported.value in (before, current):
            return None
        return Mark(
            reported.changed_ns,
            reported.service,
            reported.kind,
            reported.subject,
            before,
            reported.value,
            reported.changed_ns,
        )

    def _flaps(self, own: Fact, reported: Fact) -> bool:
        return own.earlier == reported.value and reported.changed_ns - own.changed_ns < _FLAP_NS

    def _made(self, mark: Mark) -> Iterator[Mark]:
        """Yield a mark, unless the same change was marked a short time ago: attributes and metrics both report it."""
        key = (mark.service, mark.kind, mark.subject)
        latest = self._latest.get(key)
        if latest is not None and latest.after == mark.after and mark.time_ns - latest.until_ns < JOINED_NS:
            return
        self._latest[key] = mark
        yield mark

    def _restarted(self, service: str, time_ns: int) -> Iterator[Mark]:
        if time_ns - self._since[service] < _START_NS:
            return
        deployed = self._latest.get((service, VERSION, ""))
        if deployed is not None and time_ns - deployed.until_ns < JOINED_NS:
            spread = replace(deployed, until_ns=max(deployed.until_ns, time_ns), count=deployed.count + 1)
            self._latest[(service, VERSION, "")] = spread
            yield spread
            return
        latest = self._latest.get((service, RESTART, ""))
        if latest is not None and abs(time_ns - latest.until_ns) < JOINED_NS:
            mark = replace(latest, until_ns=max(latest.until_ns, time_ns), count=latest.count + 1)
        else:
            mark = Mark(time_ns, service, RESTART, until_ns=time_ns)
        self._latest[(service, RESTART, "")] = mark
        yield mark

    def _remember(self, fact: Fact) -> None:
        self._facts[fact.key] = fact
        self._facts.move_to_end(fact.key)
        of = (fact.service, fact.kind, fact.subject)
        if fact.changed_ns >= self._current.get(of, ("", 0))[1]:
            self._current[of] = fact.value, fact.changed_ns
        since = self._since.setdefault(fact.service, fact.changed_ns)
        self._since[fact.service] = min(since, fact.changed_ns)
        while len(self._facts) > MOST_FACTS:
            self._forget(self._facts.popitem(last=False)[1])

    def _forget(self, fact: Fact) -> None:
        self.forgotten.append(fact)
