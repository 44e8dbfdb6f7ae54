"""The events of an SLO, minute by minute: what a store of counters answers, without the store."""

from __future__ import annotations

from itertools import accumulate, pairwise

from otel_fe.model.burn_alerts import recommend
from otel_fe.model.slo import EventCounts, EventSelection, Indicator, Slo
from otel_fe.model.time_windows import Rolling
from otel_fe.pipeline.event_sums import BudgetGroup
from otel_fe.pipeline.slo_engine import SloEngine
from otel_fe.testing import FakeClock
from otel_fe.units import DAY_NS, MINUTE_NS

GROUP = BudgetGroup("shop", "user_profile")
START_NS = 1_700_000_000 * 1_000_000_000 // MINUTE_NS * MINUTE_NS
EVENTS = Indicator(EventSelection("events", (("good", False),)), part_is_good=False, total=EventSelection("events"))
MONTH = Rolling(30 * DAY_NS)


def slo(objective, window=MONTH, *, strict=False, name="errors", indicator=EVENTS):
    """Return an SLO with the recommended alerts."""
    return Slo(name, indicator, objective, window, recommend(objective, window.length_ns).alerts, strict)


class Minutes:
    """Bad and all events of each minute, of one group."""

    def __init__(self, bad, total):
        self._bad, self._total = [0, *accumulate(bad)], [0, *accumulate(total)]

    def events(self, indicator, start_ns, end_ns):
        """Return the events of the minutes that begin in a window."""
        last = len(self._total) - 1
        begin = min(max(-((START_NS - start_ns) // MINUTE_NS), 0), last)
        end = min(max(-((START_NS - end_ns) // MINUTE_NS), 0), last)
        total = self._total[end] - self._total[begin]
        return {GROUP: EventCounts(self._bad[end] - self._bad[begin], total)} if total else {}


def evaluations(slo, history, first, last):
    """Evaluate at the end of each minute from `first` to `last`; yields the minute and the state, where there is one."""
    clock = FakeClock(START_NS + first * MINUTE_NS)
    engine = SloEngine([slo], history, clock)
    for minute in range(first, last + 1):
        states = engine.evaluate()
        yield minute, states[0] if states else None
        clock.advance(60)


def key(alert):
    """Return what tells an alert from others of its SLO: kind, severity and window in minutes."""
    return alert.name, alert.severity, alert.long_ns // MINUTE_NS


def periods(slo, history, first, last):
    """Return when each alert of an SLO was on: lists of [first minute, last minute], by `key`."""
    found = {key(alert): [] for alert in slo.alerts}
    for minute, state in evaluations(slo, history, first, last):
        for one in state.alerts if state else ():
            if one.true:
                on = found[key(one.alert)]
                if on and on[-1][1] == minute - 1:
                    on[-1][1] = minute
                else:
                    on.append([minute, minute])
    return found


def steady(ratio, rate, minutes):
    """Return the bad events of each minute where an exact share of the traffic is bad."""
    totals = [int(minute * rate * ratio) for minute in range(minutes + 1)]
    return [after - before for before, after in pairwise(totals)]
