"""The page of alerts: firing incidents, silences, and the form to add one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.dashboard.alert_list import every_alert, of_group
from otel_fe.dashboard.overview import groups_in
from otel_fe.dashboard.shown_incidents import incidents_of
from otel_fe.dashboard.why_slow import MOST, reasons_of
from otel_fe.store.store_error import StoreError

if TYPE_CHECKING:
    from otel_fe.dashboard.alert_list import ShownAlert
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.reasons import FeatureSetReason
    from otel_fe.dashboard.view_address import ViewAddress

DURATIONS: Final = {
    "30m": "30 minutes",
    "1h": "1 hour",
    "4h": "4 hours",
    "12h": "12 hours",
    "1d": "1 day",
    "3d": "3 days",
    "7d": "7 days",
    "30d": "30 days",
}
_USUAL: Final = "4h"


def alerts_view(stored: PageContext, address: ViewAddress) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    states = stored.slo_states()
    everything = every_alert(stored, states)
    problem = ""
    try:
        silences = stored.silences.in_force(stored.now_ns())
    except StoreError as error:
        silences, problem = (), str(error)
    shown = of_group(everything, address.service or None, address.feature_set or None)
    groups = sorted({(state.group.service, state.group.feature_set) for state in states})
    return {
        "alerts": shown,
        "incidents": incidents_of(shown, _reasons(stored, address, shown)),
        "silences": [
            {
                "silence": one,
                "fires": sum(bool(a.slo) and one.matches(a.slo, a.service, a.feature_set) for a in everything),
            }
            for one in silences
        ],
        "slos": sorted({slo.name for slo in stored.slos}),
        "services": sorted({service for service, _ in groups}),
        "feature_sets": sorted({feature_set for _, feature_set in groups}),
        "durations": DURATIONS,
        "entered": _prefilled(address, groups),
        "unreadable": problem,
        "problem": "",
    }


def _reasons(
    stored: PageContext, address: ViewAddress, alerts: list[ShownAlert]
) -> dict[tuple[str, str], FeatureSetReason]:
    """Return why the feature sets that alerts are about are slow in the window, of the worst few."""
    window = stored.remembered.window(address.window(stored.now_ns()), relative=address.relative)
    about = {(one.service, one.feature_set) for one in alerts}
    slow = [
        one
        for one in groups_in(stored, window, address.service or None, address.feature_set or None)
        if one["figures"].slow and (one["service"], one["feature_set"]) in about
    ]
    return reasons_of(stored, window, slow[:MOST])


def _prefilled(address: ViewAddress, groups: list[tuple[str, str]]) -> dict[str, str]:
    """Return what the form holds: the alert that the address speaks of, as the link beside it does."""
    # An empty name means every one, but for an alert of a group that has none.
    exact = bool(address.slo) and (address.service, address.feature_set) in groups
    return {
        "slo": address.slo,
        "service": f"={address.service}" if address.service or exact else "",
        "feature_set": f"={address.feature_set}" if address.feature_set or exact else "",
        "duration": _USUAL,
        "author": "",
        "comment": "",
    }
